/** The longest silence that is waited for, in times of the timeout. */
const timesMax = 8;
/** A silence that ends within so many times of what was waited for was none of a dead process or link, but of a busy one. */
const falseWithin = 3;
/** After each such time without a silence of more than the timeout, half as long is waited for again. */
const calmMs = 10_000;

/**
 * How long another broker may be silent before that counts against it: the timeout, and longer after alarms that were false. Otherwise a
 * cluster that is overloaded for a moment stays so: (1) a broker with thousands of partitions does not get to its heartbeats for a second;
 * (2) the others take it for dead, elect leaders and shrink in-sync sets; (3) it answers, and all of that is undone; (4) the work of both
 * makes each of them late for its next heartbeats.
 */
export class Patience {
  readonly #timeoutMs: number;
  #times = 1;
  #calmSinceMs = 0;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Milliseconds. */
  at(nowMs: number): number {
    while (this.#times > 1 && nowMs - this.#calmSinceMs >= calmMs) {
      this.#times /= 2;
      this.#calmSinceMs += calmMs;
    }
    return this.#timeoutMs * this.#times;
  }

  /** It is heard from again. */
  heardAfter(silentForMs: number, nowMs: number): void {
    const waitedMs = this.at(nowMs);
    if (silentForMs > this.#timeoutMs) this.#calmSinceMs = nowMs;
    if (silentForMs > waitedMs && silentForMs <= waitedMs * falseWithin) this.#times = Math.min(this.#times * 2, timesMax);
  }
}
