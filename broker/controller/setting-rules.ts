import { isBrokerSetting } from "../runtime/config/broker-settings.ts";
import { type BrokerConfigLayers, brokerTexts, topicText } from "../runtime/config/resolve.ts";
import { isTopicSetting } from "../runtime/config/topic-setting-definitions.ts";
import {
  brokerConfigNotAlterable,
  isListConfig,
  topicConfigNotAlterable,
  topicConflict,
  validateBrokerConfig,
  validateTopicConfig,
} from "../runtime/config/validate.ts";
import type { SettingRules } from "./config-changes.ts";
import type { ResourceRules } from "./config-writer.ts";

/** The broker's own tables of settings as the controller's rules. `layers`: what is set for this broker, which lists are appended to where the resource has none. */
export function resourceRules(layers: () => BrokerConfigLayers): ResourceRules {
  const ofBroker: SettingRules = {
    fault: validateBrokerConfig,
    deletionFault: brokerConfigNotAlterable,
    isList: (name) => isListConfig("broker", name),
    defaultValue: (name) => (isBrokerSetting(name) ? (brokerTexts(layers(), name)[0]?.text ?? null) : null),
    conflict: () => null,
  };
  return {
    topic: {
      fault: validateTopicConfig,
      deletionFault: topicConfigNotAlterable,
      isList: (name) => isListConfig("topic", name),
      defaultValue: (name) => (isTopicSetting(name) ? topicText({}, layers(), name).text : null),
      conflict: (config) => topicConflict(config, layers()),
    },
    broker: ofBroker,
  };
}
