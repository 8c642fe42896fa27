import type { ControllerSettings } from "../../../broker/controller/controller-term.ts";
import type { AutoRebalanceSettings } from "../../../broker/runtime/config/auto-rebalance-settings.ts";
import { groupedSettings } from "../../../broker/runtime/config/resolve.ts";

/** As a broker has them that was given these, and what must be given. */
export function autoRebalanceOf(given: Readonly<Record<string, string>>): AutoRebalanceSettings {
  const needed = { "broker.id": "1", "zookeeper.connect": "zk" };
  return groupedSettings({ static: { ...needed, ...given }, dynamic: {}, dynamicDefault: {} }).autoRebalance;
}

const autoRebalanceOff = autoRebalanceOf({});

export const controllerDefaults: ControllerSettings = {
  limits: { numPartitions: 1, defaultReplicationFactor: 1, partitionsPerTopicMax: 10_000 },
  supportedFeatures: new Map(),
  topicDeletionEnabled: true,
  autoLeaderRebalanceEnabled: false,
  leaderImbalanceCheckIntervalMs: 10_000,
  leaderImbalancePerBrokerPercent: 10,
  requestTimeoutMs: 10_000,
  autoRebalance: () => autoRebalanceOff,
};
