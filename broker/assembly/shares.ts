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

/** What a broker takes whatever it is told: the program, its heap, and what waits to be collected. */
const ownBytes = 150 * 1024 * 1024;

/** What is wrong when a broker may be killed for what its clients may take; null: nothing. */
export function tooLittleMemory(settings: Pick<GroupedSettings, "network" | "log">, memoryBytes: number): string | null {
  const clientBytes = clientMemoryBytes(settings, memoryBytes);
  const { tailCacheBytesMax } = settings.log;
  if (clientBytes + tailCacheBytesMax + ownBytes <= memoryBytes) return null;
  const [has, clients, tails] = [memoryBytes, clientBytes, tailCacheBytesMax].map((bytes) => `${Math.round(bytes / 1024 / 1024)} MiB`);
  return (
    `this broker may use ${has} of memory, and may be killed for using more: clients may take ${clients}, the ends of the logs ${tails}. ` +
    "Give it more, or lower queued.max.request.bytes, socket.request.max.bytes and ottla.log.tail.cache.max.bytes"
  );
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
