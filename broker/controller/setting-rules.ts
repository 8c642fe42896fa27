import { isBrokerSetting } from "../runtime/config/broker-settings.ts";
import { type BrokerConfigLayers, brokerTexts, topicText } from "../runtime/config/resolve.ts";
import { isTopicSetting } from "../runtime/config/topic-setting-definitions.ts";
import {
  brokerConfigNotAlterable,
  isListConfig,
  topicConfigNotAlterable,
  validateBrokerConfig,
  validateTopicConfig,
} from "../runtime/config/validate.ts";
import type { ResourceRules } from "./config-writer.ts";

/** The broker's own tables of settings as the controller's rules. `layers`: what is set for this broker, which lists are appended to where the resource has none. */
export function resourceRules(layers: () => BrokerConfigLayers): ResourceRules {
  const ofBroker = (scope: "broker" | "cluster") => ({
    fault: (name: string, value: string) => validateBrokerConfig(name, value, scope),
    deletionFault: (name: string) => brokerConfigNotAlterable(name, scope),
    isList: (name: string) => isListConfig("broker", name),
    defaultValue: (name: string) => (isBrokerSetting(name) ? (brokerTexts(layers(), name)[0]?.text ?? null) : null),
  });
  return {
    topic: {
      fault: validateTopicConfig,
      deletionFault: topicConfigNotAlterable,
      isList: (name) => isListConfig("topic", name),
      defaultValue: (name) => (isTopicSetting(name) ? topicText({}, layers(), name).text : null),
    },
    broker: ofBroker("broker"),
    clusterDefault: ofBroker("cluster"),
  };
}
