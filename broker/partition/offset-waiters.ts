import type { Deadlines } from "./deadlines.ts";

export type WaitEnd = "reached" | "timed-out" | "lost-leadership" | "log-offline";

interface Waiter {
  readonly offset: number;
  readonly settle: (end: WaitEnd) => void;
}

/** Producers waiting for the high watermark to pass their records. Each is settled exactly once. */
export class OffsetWaiters {
  readonly #deadlines: Deadlines;
  readonly #waitersMax: number;
  /** In the order of offsets: whoever waits has just appended. */
  readonly #waiting = new Set<Waiter>();

  constructor(deadlines: Deadlines, waitersMax: number) {
    this.#deadlines = deadlines;
    this.#waitersMax = waitersMax;
  }

  /** When full, refuse before appending. */
  get isFull(): boolean {
    return this.#waiting.size >= this.#waitersMax;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** `offset` is exclusive: reached when the high watermark is at or above it. Offsets of successive calls do not fall. */
  wait(offset: number, deadlineMs: number): Promise<WaitEnd> {
    return new Promise((resolve) => {
      const forget = this.#deadlines.add(deadlineMs, () => waiter.settle("timed-out"));
      const waiter: Waiter = {
        offset,
        settle: (end) => {
          this.#waiting.delete(waiter);
          forget();
          resolve(end);
        },
      };
      this.#waiting.add(waiter);
    });
  }

  reached(highWatermark: number): void {
    for (const waiter of this.#waiting) {
      if (waiter.offset > highWatermark) return;
      waiter.settle("reached");
    }
  }

  settleAll(end: "lost-leadership" | "log-offline"): void {
    for (const waiter of this.#waiting) waiter.settle(end);
  }
}
