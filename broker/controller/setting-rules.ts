import { brokerConflict, topicConflict } from "../runtime/config/conflicts.ts";
import { brokerTexts, type SettingLayers, topicText } from "../runtime/config/resolve.ts";
import { brokerSettingsByName, topicSettingsByName } from "../runtime/config/setting-groups.ts";
import {
  brokerSettingNotAlterable,
  brokerTextFault,
  isListSetting,
  topicSettingNotAlterable,
  topicTextFault,
} from "../runtime/config/validate.ts";
import type { SettingRules } from "./config-changes.ts";
import type { ResourceRules } from "./config-writer.ts";
import type { Config } from "./controller-state.ts";

/**
 * The broker's own tables of settings as the controller's rules. `layers`: what is set for this broker, which lists are appended to where
 * the resource has none.
 */
export function resourceRules(layers: () => SettingLayers): ResourceRules {
  const ofBroker = {
    fault: brokerTextFault,
    deletionFault: brokerSettingNotAlterable,
    isList: (name) => isListSetting("broker", name),
    defaultValue(name) {
      const setting = brokerSettingsByName.get(name);
      return setting === undefined ? null : (brokerTexts(layers(), setting)[0]?.text ?? null);
    },
  } satisfies Omit<SettingRules, "conflict">;
  return {
    topic: {
      fault: topicTextFault,
      deletionFault: topicSettingNotAlterable,
      isList: (name) => isListSetting("topic", name),
      defaultValue(name) {
        const setting = topicSettingsByName.get(name);
        return setting === undefined ? null : topicText({}, layers(), setting).text;
      },
      conflict: (config) => topicConflict(config, layers()),
    },
    broker: (id, brokerConfigs) => ({
      ...ofBroker,
      conflict(config, current) {
        // another broker's static configuration is not known here: brokers are assumed to be configured alike
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
