import type { OffsetsTopicConfig } from "./api/group-finder.ts";
import type { ControllerSettings } from "./controller/controller-term.ts";
import type { GroupCoordinatorConfig } from "./group/group-coordinator.ts";
import type { PartitionConfig } from "./partition/environment.ts";
import type { BrokerConfig } from "./runtime/config/broker-config.ts";
import type { BrokerValues } from "./runtime/config/broker-settings.ts";

/** Far more than one topic can use well, far less than what one request could make the controller write. */
const partitionsPerTopicMax = 10_000;

/** Producers that may wait for replication in one partition: each costs some memory, beside that of its request. */
const appendWaitersMax = 100_000;

/** The settings as the partitions want them; `current` has those that may change while we run. */
export function partitionConfig({ brokerId, replication, log }: BrokerConfig, current: () => BrokerValues): PartitionConfig {
  return {
    brokerId,
    appendWaitersMax,
    replicaLagTimeMaxMs: replication.lagTimeMaxMs,
    highWatermarkCheckpointMs: replication.highWatermarkCheckpointIntervalMs,
    retentionCheckMs: log.retentionCheckIntervalMs,
    strayRetentionMs: log.strayRetentionMs,
    producerExpirationCheckMs: log.producerIdExpirationCheckIntervalMs,
    producerExpirationMs: () => current()["producer.id.expiration.ms"],
    batchUnpackedBytesMax: current()["ottla.batch.unpacked.max.bytes"],
  };
}

/**
 * Requests that may wait at the groups of one partition. Each costs some memory, and members that wait for a rebalance wait for minutes.
 */
const waitingPerShardMax = 100_000;

/** Of as much as clients' requests and answers may take, and beside it. */
const memberMemoryShare = 1 / 4;

/** The settings as the group coordinator wants them. */
export function groupCoordinatorConfig(config: BrokerConfig, memoryBytes: number): GroupCoordinatorConfig {
  const { group, consumerGroups } = config;
  const { offsetsCommitTimeoutMs: commitTimeoutMs, offsetsLoadBufferBytes: loadBufferBytes } = group;
  return {
    machine: { ...group, consumer: consumerGroups },
    shard: { commitTimeoutMs, loadBufferBytes, waitingMax: waitingPerShardMax },
    memberBytesMax: clientMemoryBytes(config, memoryBytes) * memberMemoryShare,
  };
}

const clientMemoryShare = 1 / 16;
const clientMemoryMinBytes = 64 * 1024 * 1024;
const clientMemoryMaxBytes = 512 * 1024 * 1024;
/** With less the largest request there may be could never arrive. */
const roomForOneRequest = 1.25;

/** For clients' requests and answers. Log segments are read through the system's cache, which wants most of the memory there is. */
export function clientMemoryBytes({ network }: BrokerConfig, memoryBytes: number): number {
  const share = Math.min(Math.max(Math.floor(memoryBytes * clientMemoryShare), clientMemoryMinBytes), clientMemoryMaxBytes);
  return Math.max(network.clientMemoryMaxBytes ?? share, network.frameMaxBytes * roomForOneRequest);
}

/** The settings of the topic that groups are kept in. */
export function offsetsTopicConfig({ group }: BrokerConfig): OffsetsTopicConfig {
  return {
    partitions: group.offsetsTopicPartitions,
    replicationFactor: group.offsetsTopicReplicationFactor,
    segmentBytes: group.offsetsTopicSegmentBytes,
  };
}

/** The settings as the controller wants them. */
export function controllerSettings({ topics, controller }: BrokerConfig): ControllerSettings {
  return {
    limits: { numPartitions: topics.numPartitions, defaultReplicationFactor: topics.defaultReplicationFactor, partitionsPerTopicMax },
    topicDeletionEnabled: topics.deleteEnable,
    autoLeaderRebalanceEnabled: controller.autoLeaderRebalanceEnable,
    leaderImbalanceCheckIntervalMs: controller.leaderImbalanceCheckIntervalMs,
    leaderImbalancePerBrokerPercent: controller.leaderImbalancePerBrokerPercent,
    requestTimeoutMs: controller.requestTimeoutMs,
  };
}
