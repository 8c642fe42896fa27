import type { ScrubConfig } from "../log/directories/log-scrub.ts";
import type { CleanerConfig } from "../log/store-contract.ts";
import type { GroupedSettings } from "../runtime/config/setting-groups.ts";

const clientMemoryShare = 1 / 16;
const clientMemoryMinBytes = 64 * 1024 * 1024;
const clientMemoryMaxBytes = 512 * 1024 * 1024;
/** With less, the largest allowed request could never arrive. */
const roomForOneRequest = 1.25;

/** For clients' requests and answers. Log segments are read through the page cache, which should have most of the memory. */
export function clientMemoryBytes({ network }: Pick<GroupedSettings, "network">, memoryBytes: number): number {
  const share = Math.min(Math.max(Math.floor(memoryBytes * clientMemoryShare), clientMemoryMinBytes), clientMemoryMaxBytes);
  return Math.max(network.clientMemoryMaxBytes ?? share, network.frameMaxBytes * roomForOneRequest);
}

/** With less, every few records would need a round. */
const mapBytesMin = 64 * 1024;

/** As in Kafka, for each cleaner: more is not used. */
const mapBytesMax = 2 ** 31 - 1;

/** Of one directory's cleaner: the memory and the bytes per second are for all directories together. */
export function cleanerShare({ cleaner }: Pick<GroupedSettings, "cleaner">, directories: number): CleanerConfig {
  const { backoffMs, dedupeBytesMax, mapLoadFactor, bytesPerSecondMax } = cleaner;
  return {
    backoffMs,
    mapBytesMax: Math.min(Math.max(Math.floor(dedupeBytesMax / directories), mapBytesMin), mapBytesMax),
    mapLoadFactor,
    bytesPerSecondMax: Math.max(bytesPerSecondMax / directories, 1),
  };
}

/** Of one directory; null: logs are not scrubbed. */
export function scrubShare({ log }: Pick<GroupedSettings, "log">, directories: number): ScrubConfig | null {
  const { scrubBytesPerSecondMax: bytesPerSecond, scrubIntervalMs: intervalMs } = log;
  return bytesPerSecond === 0 ? null : { bytesPerSecondMax: Math.max(bytesPerSecond / directories, 1), intervalMs };
}
