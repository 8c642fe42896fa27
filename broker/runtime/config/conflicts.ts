import { invariant } from "../../../protocol/base/invariant.ts";
import { dedupeBytesPerThreadMin } from "./log-settings.ts";
import { brokerParsed, type SettingLayers, type SettingTexts, topicSettings } from "./resolve.ts";
import { brokerSettingsByName, type GroupedSettings } from "./setting-groups.ts";

/** Two settings that contradict each other; the message says which and what to do. */
export class ConflictingSettings extends Error {
  override readonly name = "ConflictingSettings";
}

/** Throws ConflictingSettings where settings that a broker is to start with do not go together. `layers`: where they come from. */
export function checkTogether(layers: SettingLayers, { consumerGroups }: GroupedSettings): void {
  const memory = cleanerMemoryConflict(layers);
  if (memory !== null) throw new ConflictingSettings(memory);
  const { sessionTimeoutMs, sessionTimeoutMinMs, sessionTimeoutMaxMs } = consumerGroups;
  requireWithin("session.timeout.ms", sessionTimeoutMs, sessionTimeoutMinMs, sessionTimeoutMaxMs);
  const { heartbeatIntervalMs, heartbeatIntervalMinMs, heartbeatIntervalMaxMs } = consumerGroups;
  requireWithin("heartbeat.interval.ms", heartbeatIntervalMs, heartbeatIntervalMinMs, heartbeatIntervalMaxMs);
  if (heartbeatIntervalMs >= sessionTimeoutMs)
    throw new ConflictingSettings("group.consumer.heartbeat.interval.ms must be below group.consumer.session.timeout.ms");
}

function requireWithin(name: string, value: number, min: number, max: number): void {
  if (value >= min && value <= max) return;
  throw new ConflictingSettings(
    `group.consumer.${name} is ${value}: it must be within group.consumer.min.${name} (${min}) and group.consumer.max.${name} (${max})`,
  );
}

/** By name. In Kafka there is a pool of threads behind each, which must not shrink below half or grow above double of what is in force. */
const stepped = [...brokerSettingsByName.values()].filter(({ isStepped }) => isStepped).sort((a, b) => (a.name < b.name ? -1 : 1));

/**
 * Null when a broker may change from the one to the other while it runs: its settings, each valid on its own, go together, and no thread
 * count jumps.
 */
export function brokerConflict(before: SettingLayers, after: SettingLayers): string | null {
  for (const { name } of stepped) {
    const [current, wanted] = [numberInForce(before, name), numberInForce(after, name)];
    if (wanted < Math.floor(current / 2)) return `${name} cannot go from ${current} to ${wanted} at once: to half of it at least.`;
    if (wanted > current * 2) return `${name} cannot go from ${current} to ${wanted} at once: to double of it at most.`;
  }
  const memory = cleanerMemoryConflict(after);
  return memory === cleanerMemoryConflict(before) ? null : memory;
}

/** Null when a topic's settings go together, whether they are its own or the brokers'. */
export function topicConflict(topic: SettingTexts, layers: SettingLayers): string | null {
  const { minCompactionLagMs, maxCompactionLagMs } = topicSettings(topic, layers);
  if (minCompactionLagMs <= maxCompactionLagMs) return null;
  return `min.compaction.lag.ms (${minCompactionLagMs}) must not be above max.compaction.lag.ms (${maxCompactionLagMs}).`;
}

/** Null when the cleaner's threads have enough memory each. */
function cleanerMemoryConflict(layers: SettingLayers): string | null {
  const dedupeBufferBytes = numberInForce(layers, "log.cleaner.dedupe.buffer.size");
  const threads = numberInForce(layers, "log.cleaner.threads");
  if (dedupeBufferBytes / threads >= dedupeBytesPerThreadMin) return null;
  return `log.cleaner.dedupe.buffer.size (${dedupeBufferBytes}) must be at least 1 MiB per cleaner thread (log.cleaner.threads: ${threads})`;
}

function numberInForce(layers: SettingLayers, name: string): number {
  const named = brokerSettingsByName.get(name);
  const value = named === undefined ? null : brokerParsed(layers, named);
  invariant(typeof value === "number", "a count has a value", () => ({ name, value }));
  return value;
}
