import type { ConsumerReadOptions } from "../../../broker/partition/client-contract.ts";
import type { IsrStore } from "../../../broker/partition/cluster-contract.ts";
import { PartitionTable } from "../../../broker/partition/partition-table.ts";
import type { TopicSettings } from "../../../broker/runtime/config/topic-settings.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import type { PartitionRecord, ReplicaFetchPartition } from "../../../protocol/peer/messages.ts";
import { codecsAside } from "../../../protocol/records/compression.ts";
import { MemoryLog, MemoryLogStore, producedBatch, testSettings } from "../../support/memory-log.ts";
import { clientCalls, followerCalls } from "../../support/partition-calls.ts";
import { testPartitionConfig } from "../../support/partition-config.ts";
import { ManualClock } from "../network/manual-clock.ts";

export const ref = { topic: "t", partition: 0 };
export const topicId = "dG9waWN0b3BpY3RvcGljMQ";
export const record: PartitionRecord = {
  partition: 0,
  leader: 1,
  leaderEpoch: 5,
  isr: [1],
  isrEpochs: { 1: 101 },
  replicas: [1, 2],
  stateVersion: 3,
  leaderRecovering: false,
};
const neverAnswers: IsrStore = { writeIsr: () => new Promise(() => undefined) };

export async function setUp(
  settings: Partial<TopicSettings> = {},
  state: Partial<PartitionRecord> = {},
  store = new MemoryLogStore(),
  isrStore = neverAnswers,
) {
  /** What was reported of the replica's health. */
  const health: string[] = [];
  const reasons: string[] = [];
  const clock = new ManualClock();
  const expiration = { ms: 86_400_000 };
  const session = { provedUntilMs: Number.POSITIVE_INFINITY };
  /** This broker and all others are being shut down. */
  const stopping = { is: false };
  /** Brokers that this one suspects. */
  const suspected = new Set<number>();
  /** Those that do not answer this one. */
  const silent = new Set<number>();
  const table = new PartitionTable({
    codecs: codecsAside,
    config: {
      ...testPartitionConfig,
      appendWaitersMax: 3,
      producerExpirationCheckMs: 2000,
      producerExpirationMs: () => expiration.ms,
    },
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    logs: store,
    cluster: {
      brokerEpoch: (id) => 100 + id,
      hasReplica: () => !stopping.is,
      isSuspected: (id) => suspected.has(id),
      doubtLeaderships: () => {
        session.provedUntilMs = Number.NEGATIVE_INFINITY;
      },
      isSilent: (id) => silent.has(id),
      stopsAsWeDo: () => stopping.is,
      registration: (id) => 100 + id,
      peerAddress: () => null,
      ownEpoch: 101,
      get sessionProvedUntilMs() {
        return session.provedUntilMs;
      },
    },
    isrStore,
    health: {
      report: (_replica, told) => {
        health.push(told.kind);
        if (told.kind === "offline") reasons.push(told.reason);
      },
    },
  });
  const assign = (more: Partial<PartitionRecord> = {}) =>
    table.assign([{ topic: "t", topicId, state: { ...record, ...state, ...more }, settings: { ...testSettings, ...settings } }]);
  await assign();
  const log = store.logs.get("t-0")?.log ?? new MemoryLog(testSettings);
  const service = clientCalls(table);
  const append = (batch = producedBatch(), acks: -1 | 0 | 1 = 1) => service.append(ref, batch, { acks, timeoutMs: 1000 });
  const read = (fetchOffset: number, more: Partial<ConsumerReadOptions> = {}) =>
    service.read(ref, { fetchOffset, currentLeaderEpoch: -1, lastFetchedEpoch: -1, maxBytes: 1e6, minOneBatch: true, ...more });
  return {
    health,
    reasons,
    clock,
    expiration,
    session,
    stopping,
    suspected,
    silent,
    table,
    assign,
    log,
    service,
    append,
    read,
    replicas: followerCalls(table),
    store,
  };
}

/** In sync with a follower that has fetched up to `end`. */
export function followerFetch(fetchOffset: number, more: Partial<ReplicaFetchPartition> = {}): ReplicaFetchPartition {
  return { topicId, partition: 0, leaderEpoch: 5, fetchOffset, lastFetchedEpoch: fetchOffset === 0 ? -1 : 5, logStartOffset: 0, ...more };
}
export const follower = { brokerId: 2, brokerEpoch: 102, receivedAtMs: 0 };
