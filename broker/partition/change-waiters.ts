import type { Deadlines } from "./deadlines.ts";

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
