import type { BrokerId } from "../../protocol/base/ids.ts";
import type { BrokerConfigLayers, ConfigTexts } from "../runtime/config/resolve.ts";
import { topicSettings } from "../runtime/config/resolve-topic.ts";
import type { TopicSettings } from "../runtime/topic-settings.ts";
import type { ClusterImage } from "./cluster-image.ts";

/** A topic's settings in force, from its own and the dynamic settings of brokers. */
export type ResolveSettings = (
  topicConfig: Readonly<Record<string, string>>,
  brokerConfigs: ClusterImage["brokerConfigs"],
) => TopicSettings;

/** What is set for this broker: at its start (`texts`) and at run time. */
export function configLayers(brokerId: BrokerId, texts: ConfigTexts, brokerConfigs: ClusterImage["brokerConfigs"]): BrokerConfigLayers {
  return { static: texts, dynamic: brokerConfigs.get(String(brokerId)) ?? {}, dynamicDefault: brokerConfigs.get("") ?? {} };
}

export function settingsResolver(brokerId: BrokerId, texts: ConfigTexts): ResolveSettings {
  return (topicConfig, brokerConfigs) => topicSettings(topicConfig, configLayers(brokerId, texts, brokerConfigs));
}
