import { type Clock, sleep } from "../../../protocol/base/clock.ts";
import type { Logger } from "../../../protocol/base/logger.ts";
import { loop } from "../../../protocol/base/loop.ts";
import { type Random, randomInt } from "../../../protocol/base/random.ts";
import { batchSizeAt, lastOffsetAt } from "../../../protocol/records/batch-header.ts";
import { Pace } from "../compaction/pace.ts";
import { DamagedBatch, type Log, LogOffline, OffsetOutOfLog } from "../log-contract.ts";

export interface ScrubConfig {
  readonly bytesPerSecondMax: number;
  /** A log that was read is not read again for so long. */
  readonly intervalMs: number;
}

export interface ScrubParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly config: ScrubConfig;
  /** The open logs of the directory. */
  readonly logs: () => Iterable<Log>;
}

const readBytes = 256 * 1024;
/** New logs are checked for at least this often. */
const lookMaxMs = 60_000;

/**
 * Reads what may not be read for years otherwise, so that damage is found while another replica is sound: a follower's log is not read
 * until it leads. One log after the other, from a random one on, as a broker that is often restarted would otherwise never reach the last.
 * What it reads is checked like every read, and damage is reported in the same way.
 */
export class LogScrub {
  readonly #parts: ScrubParts;
  readonly #stopping = new AbortController();
  /** When each was read last. */
  readonly #readMs = new WeakMap<Log, number>();
  /** Those that were due when they were last looked for, in the order in which they are read: from the end. */
  #due: Log[] = [];
  #running: Promise<void> | null = null;

  constructor(parts: ScrubParts) {
    this.#parts = parts;
  }

  start(): void {
    const { clock, random, logger, config } = this.#parts;
    const { signal } = this.#stopping;
    const step = async () => {
      if (!(await this.scrubOne())) await sleep(clock, Math.min(config.intervalMs, lookMaxMs), signal);
    };
    this.#running = loop("log scrub", step, { clock, random, signal, log: logger, pauseMinMs: 1000, pauseMaxMs: lookMaxMs });
  }

  /** Resolves when nothing is being read any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Reads one of the logs that are due; one that was closed since has nothing to read. False: there is none. */
  async scrubOne(): Promise<boolean> {
    const { clock, config } = this.#parts;
    if (this.#due.length === 0) this.#due = this.#lookForDue();
    const log = this.#due.pop();
    if (log === undefined) return false;
    await scrubLog(log, new Pace(clock, () => config.bytesPerSecondMax, this.#stopping.signal));
    this.#readMs.set(log, clock.monotonicMs());
    return true;
  }

  /** All logs are gone through once for all that are due, not once for each: there may be many thousands. */
  #lookForDue(): Log[] {
    const { clock, random, config, logs } = this.#parts;
    const nowMs = clock.monotonicMs();
    const due = [...logs()].filter((log) => nowMs - (this.#readMs.get(log) ?? Number.NEGATIVE_INFINITY) >= config.intervalMs);
    for (let left = due.length; left > 1; left--) {
      const at = randomInt(random, left);
      [due[at], due[left - 1]] = [due[left - 1]!, due[at]!];
    }
    return due;
  }
}

/**
 * Reads a log from its start up to the tail in memory, which is not read from disk. Ends at the first damage: then the replica is known to
 * be damaged.
 */
async function scrubLog(log: Log, pace: Pace): Promise<void> {
  for (let offset = log.startOffset; !pace.isOver && log.damage === null; ) {
    offset = Math.max(offset, log.startOffset);
    const endOffset = log.writtenEndOffset;
    if (offset >= endOffset || log.isCached(offset)) return;
    try {
      const { chunks, sizeInBytes } = await log.read(offset, { maxBytes: readBytes, endOffsetLimit: endOffset, minOneBatch: true });
      if (sizeInBytes === 0) return;
      offset = endOf(chunks.at(-1)!);
      await pace.transferred(sizeInBytes);
    } catch (error) {
      if (error instanceof DamagedBatch || error instanceof LogOffline) return;
      // deleted or cut meanwhile
      if (error instanceof OffsetOutOfLog && offset < log.startOffset) continue;
      if (error instanceof OffsetOutOfLog) return;
      throw error;
    }
  }
}

function endOf(batches: Buffer): number {
  let endOffset = -1;
  for (let at = 0; at < batches.length; at += batchSizeAt(batches, at)) endOffset = lastOffsetAt(batches, at) + 1;
  return endOffset;
}
