import type { Clock } from "../../protocol/base/clock.ts";

/** A path on which everything arrives in the order of sending, each message after a delay; at once if there is none. */
export class Lane {
  readonly #clock: Clock;
  readonly #delayMs: () => number;
  #lastDueMs = 0;
  #underWay = 0;
  /** What was sent before the lane was cleared does not arrive. */
  #cleared = 0;

  constructor(clock: Clock, delayMs: () => number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  carry(deliver: () => void): void {
    const nowMs = this.#clock.monotonicMs();
    const dueMs = Math.max(nowMs + this.#delayMs(), this.#lastDueMs);
    if (dueMs <= nowMs && this.#underWay === 0) return deliver();
    this.#lastDueMs = dueMs;
    this.#underWay++;
    const cleared = this.#cleared;
    this.#clock.schedule(dueMs - nowMs, () => {
      if (cleared !== this.#cleared) return;
      this.#underWay--;
      deliver();
    });
  }

  clear(): void {
    this.#cleared++;
    this.#underWay = 0;
    this.#lastDueMs = 0;
  }
}
