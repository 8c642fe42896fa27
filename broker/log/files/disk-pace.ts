import type { Clock, Timer } from "../../../protocol/base/clock.ts";
import type { Logger } from "../../../protocol/base/logger.ts";

/** The kernel takes a write into its cache in far less than a millisecond: one that takes this long has waited for the disk. */
const slowWriteMs = 100;
/** Nothing comes back at all. */
const stuckMs = 1_000;
const windowMs = 2_000;
/** One stall is no slow disk. */
const slowWindows = 2;
const soundWindows = 3;

export interface DiskPaceParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly directory: string;
}

/**
 * Tells when the disk of a log directory becomes slow, and when it keeps up again: a line each. Looked at are the writes that appends wait
 * for, with the fsync where `flush.messages` demands it; other fsyncs may take long without harm, and are only shown. Costs a timer every
 * two seconds, and only while something is written.
 */
export class DiskPace {
  readonly #parts: DiskPaceParts;
  #writes = new Durations();
  #slowWrites = 0;
  #syncs = new Durations();
  #underWay = 0;
  /** When the last write came back, or the first of those under way began. */
  #movedMs = 0;
  #timer: Timer | null = null;
  #dueMs = 0;
  /** Windows in a row that speak against what was last told. */
  #against = 0;
  #slowSinceMs: number | null = null;

  constructor(parts: DiskPaceParts) {
    this.#parts = parts;
  }

  /** Times a write. What an error means for the directory is for others to say. */
  async write(work: () => Promise<void>): Promise<void> {
    const beganMs = this.#nowMs;
    if (this.#underWay++ === 0) this.#movedMs = beganMs;
    if (this.#timer === null) this.#schedule();
    try {
      await work();
    } finally {
      this.#underWay--;
      this.#movedMs = this.#nowMs;
      this.#writes.add(this.#movedMs - beganMs);
      if (this.#movedMs - beganMs >= slowWriteMs) this.#slowWrites++;
    }
  }

  /**
   * For how long no write has come back; 0: none is under way. The beginning of a new segment does not count: it waits for syncs of the
   * last ones, which may take long on a disk that is busy and well.
   */
  get stuckForMs(): number {
    return this.#underWay === 0 ? 0 : this.#nowMs - this.#movedMs;
  }

  async sync(work: () => Promise<void>): Promise<void> {
    const beganMs = this.#nowMs;
    await work();
    this.#syncs.add(this.#nowMs - beganMs);
  }

  #schedule(): void {
    this.#dueMs = this.#nowMs + windowMs;
    this.#timer = this.#parts.clock.schedule(windowMs, () => this.#look());
  }

  #look(): void {
    const nowMs = this.#nowMs;
    const isStuck = this.stuckForMs >= stuckMs;
    const isSlow = isStuck || (this.#writes.count > 0 && 2 * this.#slowWrites >= this.#writes.count);
    // a process that did not run for a while knows nothing of its disk
    const didRun = nowMs - this.#dueMs < windowMs / 2;
    if (didRun && (isStuck || this.#writes.count > 0)) this.#judge(isSlow, nowMs);
    this.#writes = new Durations();
    this.#slowWrites = 0;
    this.#syncs = new Durations();
    this.#timer = null;
    if (this.#underWay > 0) this.#schedule();
  }

  #judge(isSlow: boolean, nowMs: number): void {
    const wasSlow = this.#slowSinceMs !== null;
    this.#against = isSlow === wasSlow ? 0 : this.#against + 1;
    if (this.#against < (wasSlow ? soundWindows : slowWindows)) return;
    this.#against = 0;
    const { logger, directory } = this.#parts;
    const fields = { directory, withinMs: windowMs, writes: this.#writes.shown, syncs: this.#syncs.shown, underWay: this.#underWay };
    if (this.#slowSinceMs === null) {
      this.#slowSinceMs = nowMs;
      logger.warn(fields, "this disk is slow: what is written waits for it, and so do producers with acks=all");
    } else {
      logger.info({ ...fields, slowForMs: Math.round(nowMs - this.#slowSinceMs) }, "this disk keeps up again");
      this.#slowSinceMs = null;
    }
  }

  get #nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }
}

/** Tells nothing. */
export const unwatchedPace: Pick<DiskPace, "write" | "sync" | "stuckForMs"> = {
  write: (work) => work(),
  sync: (work) => work(),
  stuckForMs: 0,
};

class Durations {
  count = 0;
  #sumMs = 0;
  #maxMs = 0;

  add(ms: number): void {
    this.count++;
    this.#sumMs += ms;
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  /** As the log shows it. */
  get shown() {
    return { count: this.count, meanMs: this.count === 0 ? 0 : Math.round(this.#sumMs / this.count), maxMs: Math.round(this.#maxMs) };
  }
}
