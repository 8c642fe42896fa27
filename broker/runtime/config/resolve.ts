import { invariant } from "../../../protocol/base/invariant.ts";
import { type BrokerSettingName, type BrokerValues, brokerSettings } from "./broker-settings.ts";
import { type TopicSettingName, topicFallbacks, topicSettingDefinitions } from "./topic-setting-definitions.ts";

/** Settings by name, as text. */
export type ConfigTexts = Readonly<Record<string, string>>;

export type ConfigSource =
  | "DYNAMIC_TOPIC_CONFIG"
  | "DYNAMIC_BROKER_CONFIG"
  | "DYNAMIC_DEFAULT_BROKER_CONFIG"
  | "STATIC_BROKER_CONFIG"
  | "DEFAULT_CONFIG";

/** The codes of DescribeConfigs. */
export const configSourceCodes = {
  DYNAMIC_TOPIC_CONFIG: 1,
  DYNAMIC_BROKER_CONFIG: 2,
  DYNAMIC_DEFAULT_BROKER_CONFIG: 3,
  STATIC_BROKER_CONFIG: 4,
  DEFAULT_CONFIG: 5,
} as const satisfies Record<ConfigSource, number>;

/** What is set for one broker, by where it was set. */
export interface BrokerConfigLayers {
  /** At run time for this broker (`/config/brokers/N`). */
  readonly dynamic: ConfigTexts;
  /** At run time for all brokers (`/config/brokers/<default>`). */
  readonly dynamicDefault: ConfigTexts;
  /** From its file, its environment and its command line. */
  readonly static: ConfigTexts;
}

export interface SourcedText {
  readonly name: string;
  readonly text: string;
  readonly source: ConfigSource;
}

export function textOf(texts: ConfigTexts, name: string): string | undefined {
  return Object.hasOwn(texts, name) ? texts[name] : undefined;
}

/**
 * Where a broker setting is set, the one in force first, its default last. Dynamic values that are not (or no longer) acceptable are passed
 * over.
 */
export function brokerTexts(layers: BrokerConfigLayers, name: BrokerSettingName): SourcedText[] {
  const { update, defaultText, parse } = brokerSettings[name];
  const found: SourcedText[] = [];
  const add = (texts: ConfigTexts, source: ConfigSource) => {
    const text = textOf(texts, name);
    if (text !== undefined && "value" in parse(text)) found.push({ name, text, source });
  };
  if (update === "per-broker") {
    add(layers.dynamic, "DYNAMIC_BROKER_CONFIG");
    add(layers.dynamicDefault, "DYNAMIC_DEFAULT_BROKER_CONFIG");
  }
  add(layers.static, "STATIC_BROKER_CONFIG");
  if (defaultText !== null) found.push({ name, text: defaultText, source: "DEFAULT_CONFIG" });
  return found;
}

/** What a topic takes that does not have the setting itself, in the topic's units. */
export function fallbackText(layers: BrokerConfigLayers, name: TopicSettingName): SourcedText | null {
  for (const fallback of topicFallbacks[name] ?? []) {
    const [inForce] = brokerTexts(layers, fallback.name);
    if (inForce === undefined) continue;
    return { ...inForce, text: scaled(inForce.text, fallback.factor) };
  }
  return null;
}

/** "Never" stays -1 in every unit. */
function scaled(text: string, factor: number): string {
  if (factor === 1) return text;
  const value = Number(text);
  return String(value < 0 ? -1 : value * factor);
}

/** The text in force for a topic, and where it comes from. */
export function topicText(topic: ConfigTexts, layers: BrokerConfigLayers, name: TopicSettingName): SourcedText {
  const { defaultText, parse } = topicSettingDefinitions[name];
  const own = textOf(topic, name);
  if (own !== undefined && "value" in parse(own)) return { name, text: own, source: "DYNAMIC_TOPIC_CONFIG" };
  const inherited = fallbackText(layers, name);
  if (inherited !== null && "value" in parse(inherited.text)) return inherited;
  invariant(defaultText !== null, "every topic setting has a default", () => ({ name }));
  return { name, text: defaultText, source: "DEFAULT_CONFIG" };
}

export function brokerValues(layers: BrokerConfigLayers): BrokerValues {
  const values: Record<string, unknown> = {};
  for (const name of Object.keys(brokerSettings) as BrokerSettingName[]) {
    const [inForce] = brokerTexts(layers, name);
    const parsed = inForce === undefined ? { value: null } : brokerSettings[name].parse(inForce.text);
    invariant("value" in parsed, "a setting's text was checked", () => ({ name, inForce }));
    values[name] = parsed.value;
  }
  return values as BrokerValues;
}
