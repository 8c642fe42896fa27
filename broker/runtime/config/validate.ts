import { brokerSettings, isBrokerSetting } from "./broker-settings.ts";
import { whyNotHere } from "./not-here.ts";
import type { BrokerConfigLayers, ConfigTexts } from "./resolve.ts";
import { topicSettings } from "./resolve-topic.ts";
import type { Setting } from "./setting.ts";
import { isTopicSetting, topicSettingDefinitions } from "./topic-setting-definitions.ts";

/**
 * Longer values are refused before they are looked at: they go into the coordinator and to every broker, and no answer could tell them.
 * Bytes.
 */
const valueBytesMax = 0x7fff;

/** Null when a topic may have this setting; else a sentence for the one who asked. */
export function validateTopicConfig(name: string, value: string): string | null {
  if (!isTopicSetting(name)) return unknownName("topic", name, Object.keys(topicSettingDefinitions));
  return invalidValue(name, value, topicSettingDefinitions[name]);
}

/** Null when a topic's settings go together, whatever of them is its own and whatever the brokers'. */
export function topicConflict(topic: ConfigTexts, layers: BrokerConfigLayers): string | null {
  const { minCompactionLagMs, maxCompactionLagMs } = topicSettings(topic, layers);
  if (minCompactionLagMs <= maxCompactionLagMs) return null;
  return `min.compaction.lag.ms (${minCompactionLagMs}) must not be above max.compaction.lag.ms (${maxCompactionLagMs}).`;
}

/** Null when a broker's setting may be changed to this at run time, for one broker or for all. */
export function validateBrokerConfig(name: string, value: string): string | null {
  return brokerConfigNotAlterable(name) ?? (isBrokerSetting(name) ? invalidValue(name, value, brokerSettings[name]) : null);
}

/** Null when the setting may be changed (or reset) at run time for one broker or for all. */
export function brokerConfigNotAlterable(name: string): string | null {
  const why = whyNotHere(name);
  if (why !== null) return `The broker setting ${shortened(name)} would have no effect: ${why}.`;
  if (!isBrokerSetting(name)) return unknownName("broker", name, Object.keys(brokerSettings));
  const { update } = brokerSettings[name];
  if (update === "read-only") return `The broker setting ${name} cannot be changed at run time: change it where the broker is started.`;
  return null;
}

/** Null when the topic setting exists (it may then be reset). */
export function topicConfigNotAlterable(name: string): string | null {
  return isTopicSetting(name) ? null : unknownName("topic", name, Object.keys(topicSettingDefinitions));
}

/** Whether appending to and subtracting from it makes sense. */
export function isListConfig(kind: "topic" | "broker", name: string): boolean {
  if (kind === "topic") return isTopicSetting(name) && topicSettingDefinitions[name].type === "list";
  return isBrokerSetting(name) && brokerSettings[name].type === "list";
}

/** Null when acceptable; else a sentence that names setting, value and what would be. */
export function invalidValue(name: string, value: string, setting: Setting<unknown>): string | null {
  const bytes = Buffer.byteLength(value);
  if (bytes > valueBytesMax) return `Invalid value for ${name}: ${bytes} bytes, at most ${valueBytesMax}.`;
  const parsed = setting.parse(value);
  return "value" in parsed ? null : `Invalid value "${shortened(value)}" for ${name}: it ${parsed.problem}.`;
}

function unknownName(kind: string, name: string, known: readonly string[]): string {
  const near = nearestName(name, known);
  return `Unknown ${kind} setting "${shortened(name)}"${near === null ? "" : ` (did you mean ${near}?)`}.`;
}

function shortened(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}

/** The known name that takes the fewest edits; null when none is near. */
export function nearestName(name: string, known: readonly string[]): string | null {
  if (name.length > 100) return null;
  let best: string | null = null;
  let bestEdits = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const edits = editDistance(name, candidate);
    if (edits < bestEdits) [best, bestEdits] = [candidate, edits];
  }
  return best;
}

/** Levenshtein's, one row at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[to.length] as number;
}
