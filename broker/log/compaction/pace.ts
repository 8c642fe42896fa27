import { type Clock, sleep } from "../../../protocol/base/clock.ts";

/** Bytes of records processed before other work gets a turn: a few milliseconds. */
const turnBytes = 256 * 1024;
const pauseMaxMs = 1000;

/** Keeps a cleaning from hogging the one thread, or using more disk bandwidth than it may. */
export class Pace {
  readonly #clock: Clock;
  readonly #bytesPerSecondMax: () => number;
  readonly #signal: AbortSignal;
  #sinceTurn = 0;
  #sinceMs: number;
  #ioBytes = 0;

  constructor(clock: Clock, bytesPerSecondMax: () => number, signal: AbortSignal) {
    this.#clock = clock;
    this.#bytesPerSecondMax = bytesPerSecondMax;
    this.#signal = signal;
    this.#sinceMs = clock.monotonicMs();
  }

  /** Nothing is to be cleaned any more. */
  get isOver(): boolean {
    return this.#signal.aborted;
  }

  /** To be called after each piece of records, with its bytes. Waits now and then; rejects when it is over. */
  async worked(bytes: number): Promise<void> {
    this.#sinceTurn += bytes;
    if (this.#sinceTurn < turnBytes) return;
    this.#sinceTurn = 0;
    await sleep(this.#clock, 0, this.#signal);
  }

  /** Gives other work a turn. Rejects when it is over. */
  async turn(): Promise<void> {
    this.#sinceTurn = 0;
    await sleep(this.#clock, 0, this.#signal);
  }

  /** This many bytes were processed that are not in the log as such. */
  unpacked(bytes: number): void {
    this.#sinceTurn += bytes;
  }

  /** To be called after bytes were read or written, with their number. */
  async transferred(bytes: number): Promise<void> {
    this.#ioBytes += bytes;
    for (;;) {
      const [bytesPerSecondMax, passedMs] = [this.#bytesPerSecondMax(), this.#clock.monotonicMs() - this.#sinceMs];
      const aheadMs = (this.#ioBytes / bytesPerSecondMax) * 1000 - passedMs;
      if (aheadMs < 1) {
        // unused bandwidth is not saved up
        if (passedMs > pauseMaxMs) [this.#sinceMs, this.#ioBytes] = [this.#clock.monotonicMs(), 0];
        return;
      }
      await sleep(this.#clock, Math.min(aheadMs, pauseMaxMs), this.#signal);
    }
  }
}
