import { SlabPool } from "../../../protocol/wire/slab-pool.ts";
import type { FileSystem } from "../../runtime/files.ts";
import { TooManyLookups } from "../log-contract.ts";
import { ProducerBudget } from "../producers/producer-states.ts";
import { IndexCache, OpenFiles } from "../segment/read-caches.ts";
import { TailCacheBudget } from "./tail-cache.ts";

/** The memory that all logs of a broker share, whatever their directory. */
export interface LogCaches {
  readonly openFiles: OpenFiles;
  readonly indexes: IndexCache;
  readonly tails: TailCacheBudget;
  readonly lookups: LookupTurns;
  readonly producers: ProducerBudget;
}

export interface CacheBounds {
  /** What the tails lie in. Default: a pool of their own. */
  readonly slabs?: SlabPool;
  /** Memory for the tails of all logs together, bytes; the oldest batches are evicted first. Default 64 MiB. */
  readonly tailCacheBytesMax?: number;
  /** Memory for the indexes of closed segments, bytes. Default 32 MiB. */
  readonly indexCacheBytesMax?: number;
  /** Files kept open for reading. Every log has one more, for writing. Default 256. */
  readonly openFilesMax?: number;
  /** Idempotent producers that all logs together remember; a log that needs more forgets its least recent ones. Default 1,000,000. */
  readonly producersMax?: number;
  /** How long what was written or checked is not checked again for consumers. Default 1 h; 0: it always is. */
  readonly checkedRememberMs?: number;
}

export function logCaches(files: FileSystem, bounds: CacheBounds): LogCaches {
  const { slabs, tailCacheBytesMax, indexCacheBytesMax, openFilesMax, producersMax } = bounds;
  return {
    openFiles: new OpenFiles(files, openFilesMax ?? 256),
    indexes: new IndexCache(indexCacheBytesMax ?? 32 * 1024 * 1024),
    tails: new TailCacheBudget(tailCacheBytesMax ?? 64 * 1024 * 1024, slabs ?? new SlabPool()),
    lookups: new LookupTurns(),
    producers: new ProducerBudget(producersMax),
  };
}

/** Each of them holds the compressed batch that it found. */
const lookupsMax = 100;

/**
 * Lookups by timestamp that have to decompress a large batch, of all logs of a broker: one at a time, until it has gone through the
 * records. Each takes as much memory as a batch's records may, and a client may request hundreds at once.
 */
export class LookupTurns {
  #last: Promise<unknown> = Promise.resolve();
  /** Waiting ones and the one whose turn it is. */
  #lookups = 0;

  /** Rejects TooManyLookups. */
  async run<T>(lookup: () => Promise<T>): Promise<T> {
    if (this.#lookups >= lookupsMax) throw new TooManyLookups(`${lookupsMax} lookups unpack a large batch, one after the other`);
    this.#lookups++;
    const turn = this.#last.then(lookup).finally(() => {
      this.#lookups--;
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
