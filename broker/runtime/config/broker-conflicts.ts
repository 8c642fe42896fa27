import { invariant } from "../../../protocol/base/invariant.ts";
import { brokerSettings } from "./broker-settings.ts";
import { dedupeBytesPerThreadMin } from "./cleaner-settings.ts";
import { type BrokerConfigLayers, brokerTexts } from "./resolve.ts";

/** Counts of threads in Kafka, which lets none of them shrink below half or grow above double of what is in force. */
const threadCounts = [
  "background.threads",
  "log.cleaner.threads",
  "num.io.threads",
  "num.network.threads",
  "num.recovery.threads.per.data.dir",
  "num.replica.fetchers",
] as const;

type WholeNumber = (typeof threadCounts)[number] | "log.cleaner.dedupe.buffer.size";

/**
 * Null when a broker may go from the one to the other while it runs: its settings, each of them good, go together, and no count of threads
 * jumps.
 */
export function brokerConflict(before: BrokerConfigLayers, after: BrokerConfigLayers): string | null {
  for (const name of threadCounts) {
    const [current, wanted] = [inForce(before, name), inForce(after, name)];
    if (wanted < Math.floor(current / 2)) return `${name} cannot go from ${current} to ${wanted} at once: to half of it at least.`;
    if (wanted > current * 2) return `${name} cannot go from ${current} to ${wanted} at once: to double of it at most.`;
  }
  const memory = cleanerMemoryIn(after);
  return memory === cleanerMemoryIn(before) ? null : memory;
}

/** Null when the cleaner's threads have enough memory each. */
export function cleanerMemoryConflict(dedupeBufferBytes: number, threads: number): string | null {
  if (dedupeBufferBytes / threads >= dedupeBytesPerThreadMin) return null;
  return `log.cleaner.dedupe.buffer.size (${dedupeBufferBytes}) must be at least 1 MiB per cleaner thread (log.cleaner.threads: ${threads})`;
}

function cleanerMemoryIn(layers: BrokerConfigLayers): string | null {
  return cleanerMemoryConflict(inForce(layers, "log.cleaner.dedupe.buffer.size"), inForce(layers, "log.cleaner.threads"));
}

function inForce(layers: BrokerConfigLayers, name: WholeNumber): number {
  const [first] = brokerTexts(layers, name);
  invariant(first !== undefined, "a setting with a default has a value", () => ({ name }));
  const parsed = brokerSettings[name].parse(first.text);
  invariant("value" in parsed, "a setting's text was checked", () => ({ name, first }));
  return parsed.value;
}
