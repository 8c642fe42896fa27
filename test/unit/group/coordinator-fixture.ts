import { GroupCoordinator } from "../../../broker/group/group-coordinator.ts";
import { statePartitions } from "../../../broker/partition/internal-topic-partitions.ts";
import { PartitionTable } from "../../../broker/partition/partition-table.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { partitionOfKey } from "../../../protocol/base/partition-of-key.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { codecsAside } from "../../../protocol/records/compression.ts";
import { MemoryLogStore, testSettings } from "../../support/memory-log.ts";
import { followerCalls } from "../../support/partition-calls.ts";
import { testPartitionConfig } from "../../support/partition-config.ts";
import { Images, image, partition, topic, topicId } from "../api/fixtures.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";
import { Asked, machineConfig, shardConfig } from "./world.ts";

export const offsetsId = topicId("O");
const count = 4;

/** A coordinator on the real partitions of broker 1, whose logs are in memory. */
export async function setUp() {
  const clock = new ManualClock();
  const session = { provedUntilMs: Number.POSITIVE_INFINITY };
  const logs = new MemoryLogStore();
  const table = new PartitionTable({
    codecs: codecsAside,
    config: testPartitionConfig,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    logs,
    cluster: {
      brokerEpoch: (id) => 100 + id,
      hasReplica: () => true,
      isSuspected: () => false,
      doubtLeaderships: () => {},
      isSilent: () => false,
      stopsAsWeDo: () => false,
      registration: (id) => 100 + id,
      peerAddress: () => null,
      ownEpoch: 101,
      get sessionProvedUntilMs() {
        return session.provedUntilMs;
      },
    },
    isrStore: { writeIsr: () => new Promise(() => undefined) },
    health: { report: () => {} },
  });
  const offsetsTopic = topic(
    "__consumer_offsets",
    offsetsId,
    Array.from({ length: count }, (_, index) => partition(index)),
  );
  const images = new Images(image([offsetsTopic, topic("t", topicId("t")), topic("u", topicId("u"))]));
  const coordinator = new GroupCoordinator({
    partitions: { ...statePartitions(table), onLeadershipChanged: (listener) => table.onLeadershipChanged(listener) },
    topics: images,
    clock,
    random: seededRandom(2),
    log: silentLogger,
    config: { machine: machineConfig, shard: shardConfig, memberBytesMax: 1_000_000, pendingBytesMax: 1_000_000 },
  });
  const assign = async (number: number, leader: number, leaderEpoch: number, isr = [leader]) => {
    const state = partition(number, { leader, leaderEpoch, isr, replicas: [1, 2] });
    const settings = { ...testSettings, minInsyncReplicas: isr.length };
    await table.assign([{ topic: "__consumer_offsets", topicId: offsetsId, state, settings }]);
    for (let i = 0; i < 5; i++) await clock.advance(0);
  };
  const commit = async (groupId: string, offset: number, name = "t") => {
    const partitions = [
      { partitionIndex: 0, committedOffset: offset, committedLeaderEpoch: -1, commitTimestamp: -1, committedMetadata: null },
    ];
    const by = { memberId: "", groupInstanceId: null, generationIdOrMemberEpoch: -1, apiVersion: 8, retentionTimeMs: -1 };
    const asked = new Asked(
      coordinator.run(groupId, (machine, now) => machine.commitOffsets(groupId, { ...by, topics: [{ name, partitions }] }, now)),
    );
    await settled();
    return asked;
  };
  const offsetOf = async (groupId: string) => {
    const ran = await coordinator.run(groupId, (machine) => machine.fetchOffsets(groupId, { memberId: null, memberEpoch: -1 }, null));
    return ran.error ?? ran.value.topics.map(({ name, partitions }) => `${name} ${partitions[0]!.committedOffset}`).join();
  };
  return { clock, session, table, images, coordinator, assign, commit, offsetOf, replicas: followerCalls(table) };
}

/** A group of each partition. */
export const groups = Array.from({ length: count }, (_, number) => {
  const found = Array.from({ length: 100 }, (_, index) => `group-${index}`).find((id) => partitionOfKey(id, count) === number);
  return found ?? "";
});
