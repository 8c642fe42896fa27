import type { ControllerSettings } from "./controller/controller-term.ts";
import { type PartitionConfig, partitionDefaults } from "./partition/environment.ts";
import type { BrokerConfig } from "./runtime/config/broker-config.ts";

/** Far more than one topic can use well, far less than what one request could make the controller write. */
const partitionsPerTopicMax = 10_000;

/** The settings as the partitions want them. */
export function partitionConfig({ brokerId, replication }: BrokerConfig): PartitionConfig {
  return {
    ...partitionDefaults,
    brokerId,
    replicaLagTimeMaxMs: replication.lagTimeMaxMs,
    highWatermarkCheckpointMs: replication.highWatermarkCheckpointIntervalMs,
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
