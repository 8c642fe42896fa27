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
  /** In the order of offsets: a producer waits for what it has just appended. */
  readonly #waiting = new Set<Waiter>();
  /** Those that arrived when higher offsets were already waited for: retries of what was appended before. */
  readonly #waitingAgain = new Set<Waiter>();
  #end: "lost-leadership" | "log-offline" | null = null;
  #lastOffset = 0;
  #reachedOffset = 0;

  constructor(deadlines: Deadlines, waitersMax: number) {
    this.#deadlines = deadlines;
    this.#waitersMax = waitersMax;
  }

  /** When full, refuse before appending. */
  get isFull(): boolean {
    return this.size >= this.#waitersMax;
  }

  get size(): number {
    return this.#waiting.size + this.#waitingAgain.size;
  }

  /**
   * `offset` is exclusive: reached when the high watermark is at or above it, at once where it is already. Also at once when all have been
   * settled: what was appended late may begin to wait only then.
   */
  wait(offset: number, deadlineMs: number): Promise<WaitEnd> {
    if (offset <= this.#reachedOffset) return Promise.resolve("reached");
    if (this.#end !== null) return Promise.resolve(this.#end);
    const queue = offset >= this.#lastOffset ? this.#waiting : this.#waitingAgain;
    this.#lastOffset = Math.max(this.#lastOffset, offset);
    return new Promise((resolve) => {
      const forget = this.#deadlines.add(deadlineMs, () => waiter.settle("timed-out"));
      const waiter: Waiter = {
        offset,
        settle: (end) => {
          queue.delete(waiter);
          forget();
          resolve(end);
        },
      };
      queue.add(waiter);
    });
  }

  /** The high watermark of one leadership never falls. */
  reached(highWatermark: number): void {
    this.#reachedOffset = highWatermark;
    for (const waiter of this.#waitingAgain) if (waiter.offset <= highWatermark) waiter.settle("reached");
    for (const waiter of this.#waiting) {
      if (waiter.offset > highWatermark) return;
      waiter.settle("reached");
    }
  }

  settleAll(end: "lost-leadership" | "log-offline"): void {
    this.#end = end;
    for (const waiter of [...this.#waiting, ...this.#waitingAgain]) waiter.settle(end);
  }
}

/** Long polls: each waits for news of any of several keys (partitions). */
export class ChangeWaiters {
  readonly #deadlines: Deadlines;
  readonly #waitersMax: number;
  readonly #byKey = new Map<string, Set<() => void>>();
  #size = 0;

  /** Beyond `waitersMax` a wait is not woken by changes and lasts until its deadline. */
  constructor(deadlines: Deadlines, waitersMax: number) {
    this.#deadlines = deadlines;
    this.#waitersMax = waitersMax;
  }

  get size(): number {
    return this.#size;
  }

  /** Resolves at the first `notify` of one of the keys after this call, at the deadline, or when the signal aborts. */
  wait(keys: readonly string[], deadlineMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const watched = this.#size < this.#waitersMax ? keys : [];
      this.#size++;
      let isSettled = false;
      const settle = () => {
        if (isSettled) return;
        isSettled = true;
        this.#size--;
        forget();
        signal?.removeEventListener("abort", settle);
        for (const key of watched) this.#leave(key, settle);
        resolve();
      };
      const forget = this.#deadlines.add(deadlineMs, settle);
      signal?.addEventListener("abort", settle, { once: true });
      for (const key of watched) this.#byKey.set(key, (this.#byKey.get(key) ?? new Set()).add(settle));
    });
  }

  notify(key: string): void {
    const waiters = this.#byKey.get(key);
    if (waiters !== undefined) for (const settle of [...waiters]) settle();
  }

  #leave(key: string, settle: () => void): void {
    const waiters = this.#byKey.get(key);
    if (waiters?.delete(settle) && waiters.size === 0) this.#byKey.delete(key);
  }
}
