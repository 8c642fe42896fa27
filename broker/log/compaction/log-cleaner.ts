import { type Clock, sleep } from "../../../protocol/base/clock.ts";
import type { Logger } from "../../../protocol/base/logger.ts";
import { loop } from "../../../protocol/base/loop.ts";
import type { Random } from "../../../protocol/base/random.ts";
import { DamagedBatch, LogOffline } from "../log-contract.ts";
import type { CleanerConfig } from "../store-contract.ts";
import type { DueCleaning } from "./cleaning-plan.ts";
import type { CleaningReport, LogCompaction } from "./log-compaction.ts";
import { Pace } from "./pace.ts";
import { CleaningFailed } from "./read-batches.ts";

/** Between attempts after failures in a row. */
const failurePauseMaxMs = 15_000;
/** Between two checks of the logs, whatever the settings say. */
const backoffLeastMs = 100;

export interface CleanerParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly config: CleanerConfig;
  /** The open logs of the directory, by `topic-partition`. */
  readonly logs: () => Iterable<readonly [string, { readonly compaction: LogCompaction }]>;
  /** Null: not known now, so nothing is compacted. */
  readonly highWatermark: (key: string) => number | null;
}

/** Compacts the logs of one directory, one at a time: always the one with the largest share of new records. */
export class LogCleaner {
  readonly #parts: CleanerParts;
  readonly #stopping = new AbortController();
  #config: CleanerConfig;
  /** Ends the current pause. */
  #wake: () => void = () => undefined;
  #running: Promise<void> | null = null;

  constructor(parts: CleanerParts) {
    this.#parts = parts;
    this.#config = parts.config;
  }

  start(): void {
    const { clock, random, logger } = this.#parts;
    const { signal } = this.#stopping;
    const parts = { clock, random, signal, log: logger, pauseMinMs: 1000, pauseMaxMs: failurePauseMaxMs };
    const step = async () => {
      // after a round the next log may be due already, but other work must get a turn in between
      if (await this.cleanOne()) await sleep(clock, 0, signal);
      else await this.#pause();
    };
    this.#running = loop("log cleaner", step, parts);
  }

  /** At once for the bytes per second and the pause, from the next round on for the memory. */
  reconfigure(config: CleanerConfig): void {
    this.#config = config;
    this.#wake();
  }

  /**
   * Until the backoff is over. When the settings change, the rest of the pause follows the new ones. Never zero: checking logs that need no
   * cleaning takes no I/O, so nothing else would get a turn.
   */
  async #pause(): Promise<void> {
    const { clock } = this.#parts;
    const startMs = clock.monotonicMs();
    for (;;) {
      const leftMs = startMs + Math.max(this.#config.backoffMs, backoffLeastMs) - clock.monotonicMs();
      if (leftMs <= 0 || this.#stopping.signal.aborted) return;
      await new Promise<void>((resolve) => {
        const timer = clock.schedule(leftMs, resolve);
        this.#wake = () => {
          timer.cancel();
          resolve();
        };
      });
    }
  }

  /** Resolves when no log is being compacted any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await this.#running;
  }

  /** One round on the log that needs it most. False: none was worth it. */
  async cleanOne(): Promise<boolean> {
    const nowMs = this.#parts.clock.nowMs();
    const chosen = await this.#dirtiest(nowMs);
    if (chosen === null) return false;
    const { clock, logger } = this.#parts;
    const { key, compaction, due } = chosen;
    const pace = new Pace(clock, () => this.#config.bytesPerSecondMax, this.#stopping.signal);
    const startMs = clock.monotonicMs();
    try {
      const { mapBytesMax, mapLoadFactor } = this.#config;
      const report = await compaction.clean(due, { pace, nowMs, mapBytesMax, mapLoadFactor });
      if (report !== null) this.#tell(key, report, clock.monotonicMs() - startMs);
      // abandoned, it is checked again after a pause
      return report !== null;
    } catch (error) {
      if (error instanceof LogOffline || this.#stopping.signal.aborted) return false;
      if (!(error instanceof DamagedBatch || error instanceof CleaningFailed)) throw error;
      logger.error(
        { err: error, partition: key },
        "this log cannot be compacted and grows from now on; other logs are. It is tried again once it has been copied from its leader again, or after a restart",
      );
      return true;
    }
  }

  async #dirtiest(nowMs: number) {
    const { logs, highWatermark } = this.#parts;
    let best: { readonly key: string; readonly compaction: LogCompaction; readonly due: DueCleaning } | null = null;
    for (const [key, { compaction }] of [...logs()]) {
      const known = highWatermark(key);
      if (known === null) continue;
      const due = await assess(compaction, known, nowMs);
      if (due !== null && (best === null || due.ratio > best.due.ratio)) best = { key, compaction, due };
    }
    return best;
  }

  #tell(key: string, report: CleaningReport, tookMs: number): void {
    const { recordsWithoutKey, ...rest } = report;
    this.#parts.logger.info({ partition: key, ...rest, tookMs: Math.round(tookMs) }, "compacted a log");
    if (recordsWithoutKey > 0)
      this.#parts.logger.warn({ partition: key, recordsWithoutKey }, "records without key were dropped from a compacted log");
  }
}

/**
 * Null also for a log that was closed meanwhile, or whose directory failed, and for one whose index led to damage: reading it will show.
 */
async function assess(compaction: LogCompaction, highWatermark: number, nowMs: number): Promise<DueCleaning | null> {
  try {
    return await compaction.assess({ highWatermark, nowMs });
  } catch (error) {
    if (error instanceof LogOffline || error instanceof DamagedBatch) return null;
    throw error;
  }
}
