import { type ReplicaLeader, type ReplicaLeaders, type ThrottledBy, unthrottled } from "../../../broker/partition/replication-contract.ts";
import { highWatermarkDelayMs, replicaFetchHandler } from "../../../broker/replication/replica-fetch-handler.ts";
import { BudgetedQuota } from "../../../broker/replication/replication-quota.ts";
import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import type { ReplicaFetchedPartition, ReplicaFetchRequest } from "../../../protocol/peer/messages.ts";
import { testReplicationConfig } from "../../support/partition-config.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";

export const topicId = "AAAAAAAAAAAAAAAAAAAAAQ";

interface Led {
  /** Bytes that each batch has; all of them are new to the follower. */
  batches: number[];
  error: KafkaErrorCode;
  highWatermark: number;
  /** The follower is in sync and has everything. */
  isSteady: boolean;
  throttledBy: ThrottledBy;
}

/** A leader of partitions that hold what the test says. */
export function setUp(partitions: number) {
  const clock = new ManualClock();
  const watching = new Set<Parameters<ReplicaLeaders["onWritten"]>[0]>();
  const nothing: Led = { batches: [], error: "NONE", highWatermark: 0, isSteady: true, throttledBy: unthrottled };
  const led: Led[] = Array.from({ length: partitions }, () => ({ ...nothing }));
  let bytesPerSecond: number | null = null;
  const reads: { partition: number; maxBytes: number; minOneBatch: boolean }[] = [];
  const at = (partition: number): Led => led[partition]!;
  const answer = (partition: number, recordsBytes = 0): ReplicaFetchedPartition => {
    const { error, highWatermark } = at(partition);
    return { topicId, partition, error, leaderEpoch: 1, highWatermark, logStartOffset: 0, diverging: null, epochs: [], recordsBytes };
  };
  const calls: string[] = [];
  let registered: number | null = 7;
  const position: ReplicaLeader["positionOf"] = (_from, { partition }) => {
    const { batches, error, isSteady, throttledBy } = at(partition);
    const isSound = error === "NONE";
    return { answer: answer(partition), isReadable: isSound && batches.length > 0, isSteady: isSound && isSteady, throttledBy };
  };
  const leader: ReplicaLeader = {
    acknowledgeFetch: (from, asked) => {
      calls.push(`${asked.partition} at ${asked.fetchOffset}`);
      return position(from, asked);
    },
    endFetch: ({ receivedAtMs }) => void calls.push(`end, last at ${receivedAtMs} ms`),
    positionOf: position,
    readForReplica: async ({ partition }, maxBytes, minOneBatch) => {
      reads.push({ partition, maxBytes, minOneBatch });
      const taken: Buffer[] = [];
      let bytes = 0;
      for (const size of at(partition).batches) {
        if (bytes + size > maxBytes && !(minOneBatch && bytes === 0)) break;
        taken.push(Buffer.alloc(size, partition));
        bytes += size;
      }
      return { answer: answer(partition, bytes), records: taken };
    },
  };
  const leaders: ReplicaLeaders = {
    leaderOf: (_, partition) => (partition < led.length ? leader : "UNKNOWN_TOPIC_ID"),
    onWritten: (moved) => {
      watching.add(moved);
      return () => watching.delete(moved);
    },
  };
  const config = { ...testReplicationConfig, fetchMaxBytes: 1000 };
  const quota = new BudgetedQuota(clock, { bytesPerSecond: () => bytesPerSecond, windowMs: 1000 });
  const handle = replicaFetchHandler({ leaders, registration: () => registered, clock, config, quota, sessionPartitionsMax: 10 });
  const limit = (rate: number | null) => {
    bytesPerSecond = rate;
    return quota.allowance;
  };
  const named = (partition: number, fetchOffset = 0) => ({
    topicId,
    partition,
    leaderEpoch: 1,
    fetchOffset,
    lastFetchedEpoch: -1,
    logStartOffset: 0,
  });
  let sessions = 0;
  let sequence = 0;
  /** The first request of a new session, unless it says otherwise. */
  const fetch = (more: Partial<ReplicaFetchRequest> = {}) => {
    if (more.session === undefined) {
      sessions++;
      sequence = 0;
    }
    const request: ReplicaFetchRequest = {
      brokerId: 2,
      brokerEpoch: 7,
      session: { id: sessions, sequence, isLastHeard: true },
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 2500,
      forgotten: [],
      partitions: led.map((_, partition) => named(partition)),
      ...more,
    };
    const pending = { atMs: -1, answered: handle(request, Buffer.alloc(0), "test") };
    void pending.answered.then(() => {
      pending.atMs = clock.monotonicMs();
    });
    return pending;
  };
  /** The next request of the last session, which names nothing unless it says otherwise. */
  const next = ({ isLastHeard = true, ...more }: Partial<ReplicaFetchRequest> & { isLastHeard?: boolean } = {}) =>
    fetch({ session: { id: sessions, sequence: ++sequence, isLastHeard }, partitions: [], ...more });
  /** A session whose follower was told where all partitions stand, at 60 ms, and has said so. */
  const begin = async () => {
    const first = fetch();
    await clock.advance(highWatermarkDelayMs + 10);
    await first.answered;
    next();
    await settled();
    calls.length = 0;
  };
  const register = (epoch: number | null) => {
    registered = epoch;
  };
  const change = (partition: number, changes: Partial<Led>) => {
    Object.assign(at(partition), changes);
    for (const moved of watching) moved({ topicId, partition });
  };
  return { clock, led, fetch, next, begin, named, change, reads, calls, register, limit, quota };
}
