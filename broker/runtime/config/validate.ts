import { nearestName } from "../../../protocol/base/nearest-name.ts";
import type { NamedSetting } from "./setting.ts";
import { brokerSettingsByName, topicSettingsByName } from "./setting-groups.ts";
import { whyNotHere } from "./settings-without-effect.ts";

/**
 * Longer texts are refused before they are parsed: they go into the coordinator and to every broker, and no answer could hold them. Bytes.
 */
const textBytesMax = 0x7fff;

/** Null when a topic may have this setting; else a sentence for the user. */
export function topicTextFault(name: string, text: string): string | null {
  const setting = topicSettingsByName.get(name);
  return setting === undefined ? unknownName("topic", name, topicSettingsByName) : invalidText(setting.topic, text);
}

/** Null when a broker's setting may be changed to this at run time, for one broker or for all. */
export function brokerTextFault(name: string, text: string): string | null {
  const setting = brokerSettingsByName.get(name);
  return brokerSettingNotAlterable(name) ?? (setting === undefined ? null : invalidText(setting, text));
}

/** Null when the setting may be changed (or reset) at run time for one broker or for all. */
export function brokerSettingNotAlterable(name: string): string | null {
  const why = whyNotHere(name);
  if (why !== null) return `The broker setting ${shortened(name)} would have no effect: ${why}.`;
  const setting = brokerSettingsByName.get(name);
  if (setting === undefined) return unknownName("broker", name, brokerSettingsByName);
  if (setting.update === "read-only")
    return `The broker setting ${name} cannot be changed at run time: change it where the broker is started.`;
  return null;
}

/** Null when the topic setting exists (it may then be reset). */
export function topicSettingNotAlterable(name: string): string | null {
  return topicSettingsByName.has(name) ? null : unknownName("topic", name, topicSettingsByName);
}

/** Whether appending to and subtracting from it makes sense. */
export function isListSetting(kind: "topic" | "broker", name: string): boolean {
  const setting = kind === "topic" ? topicSettingsByName.get(name)?.topic : brokerSettingsByName.get(name);
  return setting?.type === "list";
}

/** Null when acceptable; else a sentence that names the setting, the value and what would be acceptable. */
export function invalidText({ name, parse }: NamedSetting, text: string): string | null {
  const bytes = Buffer.byteLength(text);
  if (bytes > textBytesMax) return `Invalid value for ${name}: ${bytes} bytes, at most ${textBytesMax}.`;
  const parsed = parse(text);
  return "value" in parsed ? null : `Invalid value "${shortened(text)}" for ${name}: it ${parsed.problem}.`;
}

function unknownName(kind: string, name: string, known: ReadonlyMap<string, unknown>): string {
  const near = nearestName(name, known.keys());
  return `Unknown ${kind} setting "${shortened(name)}"${near === null ? "" : ` (did you mean ${near}?)`}.`;
}

function shortened(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}
