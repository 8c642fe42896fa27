import { brokerConflict } from "../runtime/config/broker-conflicts.ts";
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
import type { Config } from "./controller-state.ts";

/**
 * The broker's own tables of settings as the controller's rules. `layers`: what is set for this broker, which lists are appended to where
 * the resource has none.
 */
export function resourceRules(layers: () => BrokerConfigLayers): ResourceRules {
  const ofBroker = {
    fault: validateBrokerConfig,
    deletionFault: brokerConfigNotAlterable,
    isList: (name) => isListConfig("broker", name),
    defaultValue: (name) => (isBrokerSetting(name) ? (brokerTexts(layers(), name)[0]?.text ?? null) : null),
  } satisfies Omit<SettingRules, "conflict">;
  return {
    topic: {
      fault: validateTopicConfig,
      deletionFault: topicConfigNotAlterable,
      isList: (name) => isListConfig("topic", name),
      defaultValue: (name) => (isTopicSetting(name) ? topicText({}, layers(), name).text : null),
      conflict: (config) => topicConflict(config, layers()),
    },
    broker: (id, brokerConfigs) => ({
      ...ofBroker,
      conflict(config, current) {
        // what another broker was started with is not known here: brokers are taken to be started alike
        const { static: started } = layers();
        const dynamicDefault = brokerConfigs.get("") ?? {};
        if (id !== null)
          return brokerConflict(
            { static: started, dynamicDefault, dynamic: current },
            { static: started, dynamicDefault, dynamic: config },
          );
        for (const [broker, dynamic] of brokersOf(brokerConfigs)) {
          const conflict = brokerConflict(
            { static: started, dynamicDefault: current, dynamic },
            { static: started, dynamicDefault: config, dynamic },
          );
          if (conflict !== null) return broker === "" ? conflict : `Broker ${broker}: ${conflict}`;
        }
        return null;
      },
    }),
  };
}

/** A broker that has no settings of its own, then each that has. */
function brokersOf(brokerConfigs: ReadonlyMap<string, Config>): (readonly [broker: string, config: Config])[] {
  return [["", {}], ...[...brokerConfigs].filter(([broker]) => broker !== "")];
}
