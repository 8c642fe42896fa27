import { canonicalText } from "./canonical-text.ts";
import type { SettingType } from "./definition.ts";
import { brokerTexts, type ConfigSource, fallbackText, type SettingLayers, type SettingTexts, topicText } from "./resolve.ts";
import type { NamedSetting, OfTopics } from "./setting.ts";
import { brokerSettingsByName, topicSettingsByName } from "./setting-groups.ts";

/** A setting as DescribeConfigs shows it. */
export interface DescribedConfig {
  readonly name: string;
  readonly value: string | null;
  readonly source: ConfigSource;
  readonly type: SettingType;
  readonly isReadOnly: boolean;
  readonly isSensitive: boolean;
  readonly isDefault: boolean;
  /** Where the value could come from, the source in force first. */
  readonly synonyms: readonly { readonly name: string; readonly value: string | null; readonly source: ConfigSource }[];
  readonly documentation: string;
}

/** The codes of DescribeConfigs version 3. */
export const configTypeCodes = { boolean: 1, string: 2, int: 3, short: 4, long: 5, double: 6, list: 7 } as const satisfies Record<
  SettingType,
  number
>;

/** `names` null: all of them. Unknown names are left out, as in Kafka. */
export function describeTopicConfigs(topic: SettingTexts, layers: SettingLayers, names: readonly string[] | null): DescribedConfig[] {
  return wanted(topicSettingsByName, names).map((setting) => describeTopicConfig(topic, layers, setting));
}

function describeTopicConfig(topic: SettingTexts, layers: SettingLayers, setting: OfTopics): DescribedConfig {
  const inForce = topicText(topic, layers, setting);
  const fallbacks = setting.broker.flatMap((synonym) => brokerTexts(layers, synonym));
  const inherited = fallbackText(layers, setting);
  // a fallback's own text is shown in its own unit, as it was written
  const first = inherited === null ? [] : fallbacks.filter((text) => text.name === inherited.name);
  const others = inherited === null ? [] : fallbacks.filter((text) => text.name !== inherited.name);
  const own = inForce.source === "DYNAMIC_TOPIC_CONFIG" ? [inForce] : [];
  return described(setting.topic, inForce.text, inForce.source, false, [...own, ...first, ...others]);
}

export function describeBrokerConfigs(layers: SettingLayers, names: readonly string[] | null): DescribedConfig[] {
  return wanted(brokerSettingsByName, names).map((setting) => {
    const texts = brokerTexts(layers, setting);
    const [inForce] = texts;
    return described(setting, inForce?.text ?? null, inForce?.source ?? "DEFAULT_CONFIG", setting.update === "read-only", texts);
  });
}

/** What is set at run time for all brokers, as Kafka shows the broker resource without a name. */
export function describeDefaultBrokerConfigs(dynamicDefault: SettingTexts, names: readonly string[] | null): DescribedConfig[] {
  const layers: SettingLayers = { dynamic: {}, dynamicDefault, static: {} };
  return describeBrokerConfigs(layers, names).filter(({ source }) => source === "DYNAMIC_DEFAULT_BROKER_CONFIG");
}

function wanted<S>(settings: ReadonlyMap<string, S>, names: readonly string[] | null): S[] {
  const asked = names === null ? null : new Set(names);
  const all = [...settings].filter(([name]) => asked === null || asked.has(name));
  return all.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, setting]) => setting);
}

function described(
  { name, type, documentation }: NamedSetting,
  value: string | null,
  source: ConfigSource,
  isReadOnly: boolean,
  synonyms: readonly { readonly name: string; readonly text: string; readonly source: ConfigSource }[],
): DescribedConfig {
  return {
    name,
    value: value === null ? null : canonicalText(type, value),
    source,
    type,
    isReadOnly,
    isSensitive: false, // no setting holds a secret yet
    isDefault: source === "DEFAULT_CONFIG",
    // a setting and what it falls back on have one type, but for int and long
    synonyms: synonyms.map((one) => ({ name: one.name, value: canonicalText(type, one.text), source: one.source })),
    documentation,
  };
}
