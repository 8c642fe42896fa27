import type { Clock } from "../../protocol/base/clock.ts";

/** When a request was sent that may later prove the session. */
export interface AskedAt {
  readonly sentMs: number;
  /** How far the wall clock was ahead of the monotonic one. */
  readonly aheadMs: number;
}

/** Until when the session is known to be alive: a whole timeout from the send time of a request that a server has answered. */
export class SessionProof {
  readonly #clock: Clock;
  #untilMs = Number.NEGATIVE_INFINITY;
  #aheadMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** On the monotonic clock. */
  get untilMs(): number {
    return this.#untilMs;
  }

  /**
   * On Linux the monotonic clock stands still while the machine sleeps, but the session timeout keeps running. The wall clock does not
   * stand still: what it has run ahead by since the proof's request was sent is time in which the session had no contact, or somebody has
   * set the clock. Either way the proof ends earlier by that much; the next answer brings a new one.
   *
   * A clock that was set back would hide as much sleep. So sleep is counted from what the clock showed at the last check; only if there is
   * no check between the two is the sleep not seen.
   */
  get certainUntilMs(): number {
    const aheadMs = this.#ahead();
    this.#aheadMs = Math.min(this.#aheadMs, aheadMs);
    return this.#untilMs - (aheadMs - this.#aheadMs);
  }

  /** To be taken before anything is sent. */
  asking(): AskedAt {
    return { sentMs: this.#clock.monotonicMs(), aheadMs: this.#ahead() };
  }

  answered({ sentMs, aheadMs }: AskedAt, timeoutMs: number): void {
    if (sentMs + timeoutMs < this.#untilMs) return;
    this.#untilMs = sentMs + timeoutMs;
    this.#aheadMs = aheadMs;
  }

  lose(): void {
    this.#untilMs = Number.NEGATIVE_INFINITY;
  }

  #ahead(): number {
    return this.#clock.nowMs() - this.#clock.monotonicMs();
  }
}
