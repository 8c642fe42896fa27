import type { Clock } from "../../protocol/base/clock.ts";

/** When a request was sent that may later prove the session. */
export interface AskedAt {
  readonly sentMs: number;
  /** All the sleep that was seen until then. */
  readonly sleptMs: number;
}

/** Until when the session is known to be alive: a whole timeout from the send time of a request that a server has answered. */
export class SessionProof {
  readonly #clock: Clock;
  readonly #sleep: SeenSleep;
  #untilMs = Number.NEGATIVE_INFINITY;
  #sleptMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sleep = new SeenSleep(clock);
  }

  /** On the monotonic clock. */
  get untilMs(): number {
    return this.#untilMs;
  }

  /**
   * Earlier by the sleep since the proof's request was sent: in that time the session had no contact. The next answer brings a new proof.
   */
  get certainUntilMs(): number {
    return this.#untilMs - (this.#sleep.totalMs - this.#sleptMs);
  }

  /** To be taken before anything is sent. */
  asking(): AskedAt {
    return { sentMs: this.#clock.monotonicMs(), sleptMs: this.#sleep.totalMs };
  }

  answered({ sentMs, sleptMs }: AskedAt, timeoutMs: number): void {
    if (sentMs + timeoutMs + sleptMs < this.#untilMs + this.#sleptMs) return;
    this.#untilMs = sentMs + timeoutMs;
    this.#sleptMs = sleptMs;
  }

  lose(): void {
    this.#untilMs = Number.NEGATIVE_INFINITY;
  }
}

/**
 * On Linux the monotonic clock stands still while the machine sleeps, but the session timeout keeps running. The wall clock does not stand
 * still: what it runs ahead by is sleep, or somebody has set the clock. Either counts.
 *
 * A clock that is set back would hide as much sleep. So what was seen stays seen, and later sleep is counted from where the clock is then;
 * only if there is no look between the two is the sleep not seen. Otherwise: (1) the machine sleeps for longer than the session lasts; (2)
 * it wakes, and the proof is over; (3) the clock is set back by more, and the proof holds again.
 */
class SeenSleep {
  readonly #clock: Clock;
  /** Up to the last time that the clock was set back. */
  #beforeMs = 0;
  /** Since then: how far the wall clock was ahead of the monotonic one. */
  #leastAheadMs: number;
  #mostAheadMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#leastAheadMs = this.#mostAheadMs = this.#aheadMs();
  }

  /** Up to now. Only grows; hardly by how the two clocks are rounded, for that is counted once for each time that the clock is set back. */
  get totalMs(): number {
    const aheadMs = this.#aheadMs();
    if (aheadMs < this.#leastAheadMs) {
      this.#beforeMs += this.#mostAheadMs - this.#leastAheadMs;
      this.#leastAheadMs = this.#mostAheadMs = aheadMs;
    }
    this.#mostAheadMs = Math.max(this.#mostAheadMs, aheadMs);
    return this.#beforeMs + this.#mostAheadMs - this.#leastAheadMs;
  }

  #aheadMs(): number {
    return this.#clock.nowMs() - this.#clock.monotonicMs();
  }
}
