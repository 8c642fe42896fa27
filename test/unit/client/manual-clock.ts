import type { Clock, Timer } from "../../../protocol/base/clock.ts";

/** Time that passes only when a test says so. */
export class ManualClock implements Clock {
  #nowMs = 1_000;
  #sequence = 0;
  readonly #timers = new Set<{ readonly atMs: number; readonly order: number; readonly callback: () => void }>();

  nowMs(): number {
    return Math.floor(1_700_000_000_000 + this.#nowMs);
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  schedule(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.#nowMs + Math.max(delayMs, 0), order: this.#sequence++, callback };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Everything that can happen now has happened. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Lets `durationMs` pass, timer by timer. */
  async advance(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    await this.settle();
    while (await this.#fireNext(endMs));
    this.#nowMs = endMs;
  }

  /** Lets time pass until the promise is settled; fails when nothing is left to happen or `limitMs` have passed. */
  async until<T>(promise: Promise<T>, limitMs = 300_000): Promise<T> {
    let isSettled = false;
    promise.then(
      () => (isSettled = true),
      () => (isSettled = true),
    );
    const endMs = this.#nowMs + limitMs;
    await this.settle();
    while (!isSettled) {
      if (!(await this.#fireNext(endMs))) throw new Error(`nothing more happens within ${limitMs} ms`);
    }
    return promise;
  }

  async #fireNext(endMs: number): Promise<boolean> {
    const [next] = [...this.#timers].sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    if (next === undefined || next.atMs > endMs) return false;
    this.#timers.delete(next);
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    next.callback();
    await this.settle();
    return true;
  }
}
