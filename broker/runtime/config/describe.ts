import { type BrokerSettingName, brokerSettings } from "./broker-settings.ts";
import { canonicalText } from "./canonical-text.ts";
import { type BrokerConfigLayers, brokerTexts, type ConfigSource, type ConfigTexts, fallbackText, topicText } from "./resolve.ts";
import type { Setting, SettingType } from "./setting.ts";
import { type TopicSettingName, topicFallbacks, topicSettingDefinitions } from "./topic-setting-definitions.ts";

/** A setting as DescribeConfigs shows it. */
export interface DescribedConfig {
  readonly name: string;
  readonly value: string | null;
  readonly source: ConfigSource;
  readonly type: SettingType;
  readonly isReadOnly: boolean;
  readonly isSensitive: boolean;
  readonly isDefault: boolean;
  /** Where the value could come from, the one in force first. */
  readonly synonyms: readonly { readonly name: string; readonly value: string | null; readonly source: ConfigSource }[];
  readonly documentation: string;
}

/** The codes of DescribeConfigs version 3. */
export const configTypeCodes = { boolean: 1, string: 2, int: 3, short: 4, long: 5, double: 6, list: 7 } as const satisfies Record<
  SettingType,
  number
>;

/** `names` null: all of them. Names that there are not are left out, as Kafka does. */
export function describeTopicConfigs(topic: ConfigTexts, layers: BrokerConfigLayers, names: readonly string[] | null): DescribedConfig[] {
  return wanted(topicSettingDefinitions, names).map((name) => describeTopicConfig(topic, layers, name as TopicSettingName));
}

function describeTopicConfig(topic: ConfigTexts, layers: BrokerConfigLayers, name: TopicSettingName): DescribedConfig {
  const inForce = topicText(topic, layers, name);
  const fallbacks = (topicFallbacks[name] ?? []).flatMap((fallback) => brokerTexts(layers, fallback.name));
  const inherited = fallbackText(layers, name);
  // a fallback's own text is shown in its own unit, so that it reads as the one who set it wrote it
  const first = inherited === null ? [] : fallbacks.filter((text) => text.name === inherited.name);
  const others = inherited === null ? [] : fallbacks.filter((text) => text.name !== inherited.name);
  const own = inForce.source === "DYNAMIC_TOPIC_CONFIG" ? [inForce] : [];
  return described(name, topicSettingDefinitions[name], inForce.text, inForce.source, false, [...own, ...first, ...others]);
}

export function describeBrokerConfigs(layers: BrokerConfigLayers, names: readonly string[] | null): DescribedConfig[] {
  return wanted(brokerSettings, names).map((name) => {
    const texts = brokerTexts(layers, name as BrokerSettingName);
    const setting: Setting<unknown> = brokerSettings[name as BrokerSettingName];
    const [inForce] = texts;
    return described(name, setting, inForce?.text ?? null, inForce?.source ?? "DEFAULT_CONFIG", setting.update === "read-only", texts);
  });
}

/** What is set at run time for all brokers, as Kafka shows the broker resource without a name. */
export function describeDefaultBrokerConfigs(dynamicDefault: ConfigTexts, names: readonly string[] | null): DescribedConfig[] {
  const layers: BrokerConfigLayers = { dynamic: {}, dynamicDefault, static: {} };
  return describeBrokerConfigs(layers, names).filter(({ source }) => source === "DYNAMIC_DEFAULT_BROKER_CONFIG");
}

function wanted(settings: Readonly<Record<string, Setting<unknown>>>, names: readonly string[] | null): string[] {
  const all = Object.keys(settings).sort();
  if (names === null) return all;
  const asked = new Set(names);
  return all.filter((name) => asked.has(name));
}

function described(
  name: string,
  setting: Setting<unknown>,
  value: string | null,
  source: ConfigSource,
  isReadOnly: boolean,
  synonyms: readonly { readonly name: string; readonly text: string; readonly source: ConfigSource }[],
): DescribedConfig {
  return {
    name,
    value: value === null ? null : canonicalText(setting.type, value),
    source,
    type: setting.type,
    isReadOnly,
    isSensitive: false, // there is no setting yet that holds a secret
    isDefault: source === "DEFAULT_CONFIG",
    // a setting and what it falls back on have one type, but for int and long
    synonyms: synonyms.map((one) => ({ name: one.name, value: canonicalText(setting.type, one.text), source: one.source })),
    documentation: setting.documentation,
  };
}
