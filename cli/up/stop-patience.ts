/** A broker that has not got anywhere for so long hangs, whatever it says. */
const stuckMaxMs = 60_000;

/**
 * When a broker that was told to stop is to be killed: it has said nothing for `graceMs`, or has not closed a log for a minute. One that is
 * still writing is waited for, however many logs it has.
 */
export class StopPatience {
  readonly #graceMs: number;
  #heardMs: number;
  #progressMs: number;
  #unclosedLogs = Number.POSITIVE_INFINITY;

  constructor(graceMs: number, nowMs: number) {
    this.#graceMs = graceMs;
    this.#heardMs = nowMs;
    this.#progressMs = nowMs;
  }

  /** The broker says now and then how many logs it has yet to close. */
  heard(unclosedLogs: number, nowMs: number): void {
    this.#heardMs = nowMs;
    if (unclosedLogs < this.#unclosedLogs) this.#progressMs = nowMs;
    this.#unclosedLogs = Math.min(this.#unclosedLogs, unclosedLogs);
  }

  isOver(nowMs: number): boolean {
    return nowMs - this.#heardMs > this.#graceMs || nowMs - this.#progressMs > stuckMaxMs;
  }
}
