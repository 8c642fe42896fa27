import type { Clock, Timer } from "../../protocol/base/clock.ts";

/** Deadlines of all waits of a broker, swept by one timer. Each is called at its time or up to `deadlineResolutionMs` later. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #buckets = new Map<number, Set<() => void>>();
  #timer: Timer | null = null;
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `expired` once at `deadlineMs` (monotonic), in a later turn of the loop. Returns a function that cancels it. */
  add(deadlineMs: number, expired: () => void): () => void {
    const atMs = Math.ceil(Math.max(deadlineMs, this.#clock.monotonicMs()) / deadlineResolutionMs) * deadlineResolutionMs;
    const bucket = this.#buckets.get(atMs) ?? new Set();
    this.#buckets.set(atMs, bucket.add(expired));
    this.#arm(atMs);
    return () => {
      if (bucket.delete(expired) && bucket.size === 0 && this.#buckets.get(atMs) === bucket) this.#buckets.delete(atMs);
    };
  }

  #arm(atMs: number): void {
    if (atMs >= this.#timerAtMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.#clock.schedule(Math.max(0, atMs - this.#clock.monotonicMs()), () => this.#sweep());
  }

  #sweep(): void {
    this.#timer = null;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.monotonicMs();
    const due = [...this.#buckets].filter(([atMs]) => atMs <= nowMs).sort(([a], [b]) => a - b);
    for (const [atMs, bucket] of due) {
      this.#buckets.delete(atMs);
      for (const expired of bucket) expired();
    }
    let nextMs = Number.POSITIVE_INFINITY;
    for (const atMs of this.#buckets.keys()) nextMs = Math.min(nextMs, atMs);
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs);
  }
}

/** Waits are at least hundreds of milliseconds long: gathering them by this much keeps the sweep cheap. */
const deadlineResolutionMs = 5;
