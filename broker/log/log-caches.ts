import type { FileSystem } from "../runtime/files.ts";
import type { LogDirectory } from "./log-directory.ts";
import { ProducerBudget } from "./producers/producer-budget.ts";
import { IndexCache } from "./segment/index-cache.ts";
import { LookupTurns } from "./segment/lookup-turns.ts";
import { OpenFiles } from "./segment/open-files.ts";
import { TailCacheBudget } from "./tail-cache.ts";

/** What all directories of a broker share. */
export type LogCaches = Pick<LogDirectory, "openFiles" | "indexes" | "tails" | "lookups" | "producers">;

export interface CacheBounds {
  /** Memory for the tails of all logs together, bytes; the oldest batches go first. Default 64 MiB. */
  readonly tailCacheBytesMax?: number;
  /** Memory for the indexes of closed segments, bytes. Default 32 MiB. */
  readonly indexCacheBytesMax?: number;
  /** Files held open for reading. Every log has one more, for writing. Default 256. */
  readonly openFilesMax?: number;
  /** Idempotent producers that all logs together remember; each log that wants more forgets its least recent ones. Default 1,000,000. */
  readonly producersMax?: number;
}

export function logCaches(files: FileSystem, bounds: CacheBounds): LogCaches {
  const { tailCacheBytesMax, indexCacheBytesMax, openFilesMax, producersMax } = bounds;
  return {
    openFiles: new OpenFiles(files, openFilesMax ?? 256),
    indexes: new IndexCache(indexCacheBytesMax ?? 32 * 1024 * 1024),
    tails: new TailCacheBudget(tailCacheBytesMax ?? 64 * 1024 * 1024),
    lookups: new LookupTurns(),
    producers: new ProducerBudget(producersMax),
  };
}
