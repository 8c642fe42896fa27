import type { Clock, Timer } from "../../../protocol/base/clock.ts";

interface Pending {
  readonly atMs: number;
  readonly callback: () => void;
}

/** Virtual time that runs by itself: whenever nothing is left to do, it jumps to the next timer. */
export class DrivenClock implements Clock {
  #nowMs = 1_000_000;
  readonly #timers = new Set<Pending>();
  #isRunning = false;

  nowMs(): number {
    return 1.7e12 + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  schedule(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Fires the next timer, having let everything else run. Returns false when there is none. */
  async step(): Promise<boolean> {
    await new Promise((resolve) => setImmediate(resolve));
    let next: Pending | undefined;
    for (const timer of this.#timers) if (next === undefined || timer.atMs < next.atMs) next = timer;
    if (next === undefined) return false;
    this.#timers.delete(next);
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    next.callback();
    return true;
  }

  async run(): Promise<void> {
    this.#isRunning = true;
    while (this.#isRunning) await this.step();
  }

  stop(): void {
    this.#isRunning = false;
  }
}
