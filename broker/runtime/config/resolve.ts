import { invariant } from "../../../protocol/base/invariant.ts";
import type { Definition } from "./definition.ts";
import type { NamedSetting, OfTopics, Setting } from "./setting.ts";
import { type GroupedSettings, settingGroups } from "./setting-groups.ts";
import { type TopicSettings, topicSettingRows } from "./topic-settings.ts";

/** Texts by the name of their setting. */
export type SettingTexts = Readonly<Record<string, string>>;

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
export interface SettingLayers {
  /** At run time for this broker (`/config/brokers/N`). */
  readonly dynamic: SettingTexts;
  /** At run time for all brokers (`/config/brokers/<default>`). */
  readonly dynamicDefault: SettingTexts;
  /** From its file, its environment and its command line. */
  readonly static: SettingTexts;
}

export interface SourcedText {
  readonly name: string;
  readonly text: string;
  readonly source: ConfigSource;
}

function textOf(texts: SettingTexts, name: string): string | undefined {
  return Object.hasOwn(texts, name) ? texts[name] : undefined;
}

/**
 * Where a broker's setting is set, the text in force first, its default last. Dynamic texts that are not (or no longer) acceptable are
 * skipped.
 */
export function brokerTexts(layers: SettingLayers, { name, update, defaultText, parse }: NamedSetting): SourcedText[] {
  const found: SourcedText[] = [];
  const add = (texts: SettingTexts, source: ConfigSource) => {
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

/** The text for a topic that does not have the setting itself, in the topic's units. */
export function fallbackText(layers: SettingLayers, { broker }: Setting): SourcedText | null {
  for (const synonym of broker) {
    const [inForce] = brokerTexts(layers, synonym);
    if (inForce === undefined) continue;
    return { ...inForce, text: scaled(inForce.text, synonym.factor) };
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
export function topicText(topic: SettingTexts, layers: SettingLayers, setting: OfTopics): SourcedText {
  const { name, defaultText, parse } = setting.topic;
  const own = textOf(topic, name);
  if (own !== undefined && "value" in parse(own)) return { name, text: own, source: "DYNAMIC_TOPIC_CONFIG" };
  const inherited = fallbackText(layers, setting);
  if (inherited !== null && "value" in parse(inherited.text)) return inherited;
  invariant(defaultText !== null, "every topic setting has a default", () => ({ name }));
  return { name, text: defaultText, source: "DEFAULT_CONFIG" };
}

const topicRows = Object.entries(topicSettingRows);

/**
 * A topic's settings in force on a broker: its own, else the broker's (set at run time, then at its start), else Kafka's. A text that is no
 * longer acceptable is skipped.
 */
export function topicSettings(topic: SettingTexts, layers: SettingLayers): TopicSettings {
  const settings: Record<string, unknown> = {};
  const parsed = (setting: OfTopics) => checked(setting.topic, topicText(topic, layers, setting).text);
  for (const [field, setting] of topicRows) {
    if (setting.kind !== "topic") continue;
    const { unlimitedElse } = setting;
    const own = parsed(setting);
    const inForce = own === Number.MAX_SAFE_INTEGER && unlimitedElse !== null ? parsed(unlimitedElse) : own;
    settings[field] = setting.value(inForce);
  }
  return settings as TopicSettings;
}

/** A broker's settings in force. Throws MissingSetting. */
export function groupedSettings(layers: SettingLayers): GroupedSettings {
  const groups = Object.entries(settingGroups).map(([group, rows]) => [group, valuesOf(rows, layers)] as const);
  return Object.fromEntries(groups) as unknown as GroupedSettings;
}

function valuesOf(rows: object, layers: SettingLayers): Readonly<Record<string, unknown>> {
  const values: Record<string, unknown> = {};
  for (const [field, setting] of Object.entries(rows) as [string, Setting][]) {
    if (setting.kind !== "broker") continue;
    const [named] = setting.broker;
    invariant(named !== undefined, "a broker's setting has a name", () => ({ field }));
    values[field] = setting.value(brokerParsed(layers, named));
  }
  return values;
}

/** Null: not given, and without default. */
export function brokerParsed(layers: SettingLayers, named: NamedSetting): unknown {
  const [inForce] = brokerTexts(layers, named);
  return inForce === undefined ? null : checked(named, inForce.text);
}

function checked(definition: Definition<unknown>, text: string): unknown {
  const parsed = definition.parse(text);
  invariant("value" in parsed, "a setting's text was checked", () => ({ definition, text }));
  return parsed.value;
}
