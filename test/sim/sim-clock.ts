import type { Clock, Timer } from "../../protocol/base/clock.ts";

interface PendingTimer {
  atMs: number;
  order: number;
  readonly owner: string;
  /** Null: cancelled, or moved. */
  callback: (() => void) | null;
  movedTo: PendingTimer | null;
}

/** Where the simulated wall clock starts: 2026-01-01T00:00:00Z. */
const epochMs = 1_767_225_600_000;

/**
 * A delay is zero or at least this. Otherwise: (1) rounding lets a timer fire a trillionth of a millisecond before its time; (2) it is set
 * again for that long, which moves no clock; (3) for ever.
 */
const shortestMs = 1e-6;

/**
 * Simulated time: it stands still while promises settle and jumps from timer to timer; ties fire in the order of creation. Every timer has
 * an owner (a process of the simulation), so that a process can be paused or killed with all that it had scheduled.
 */
export class SimClock {
  #nowMs = 0;
  #created = 0;
  readonly #heap: PendingTimer[] = [];
  readonly #paused = new Map<string, PendingTimer[]>();
  readonly #ended = new Set<string>();
  /** Since when a process's machine sleeps. */
  readonly #asleepSinceMs = new Map<string, number>();
  /** How long a process's machine has slept so far: its monotonic clock stood still. */
  readonly #sleptMs = new Map<string, number>();
  /** How far somebody has set a machine's wall clock forward, or back, in milliseconds. By host. */
  readonly #wallAheadMs = new Map<string, number>();
  #wallAheadMaxMs = 0;
  readonly #setBackAtMs = new Map<string, number>();

  get nowMs(): number {
    return this.#nowMs;
  }

  /** No machine's wall clock has ever shown more than this. */
  get latestWallMs(): number {
    return epochMs + Math.floor(this.#nowMs + this.#wallAheadMaxMs);
  }

  /** The clock that one process sees. */
  forOwner(owner: string): Clock {
    const host = owner.split("#")[0]!;
    return {
      nowMs: () => epochMs + Math.floor(this.#nowMs + (this.#wallAheadMs.get(host) ?? 0)),
      monotonicMs: () => this.#monotonicMs(owner),
      schedule: (delayMs, callback) => this.schedule(owner, delayMs, callback),
    };
  }

  #monotonicMs(owner: string): number {
    return this.#nowMs - (this.#sleptMs.get(owner) ?? 0);
  }

  schedule(owner: string, delayMs: number, callback: () => void): Timer {
    const first = this.#insert(owner, this.#nowMs + (delayMs > 0 ? Math.max(shortestMs, delayMs) : 0), callback);
    return {
      cancel: () => {
        for (let timer: PendingTimer | null = first; timer !== null; timer = timer.movedTo) timer.callback = null;
      },
    };
  }

  #insert(owner: string, atMs: number, callback: () => void): PendingTimer {
    const timer: PendingTimer = { atMs, order: this.#created++, owner, callback, movedTo: null };
    if (!this.#ended.has(owner)) this.#push(timer);
    return timer;
  }

  /** Timers that fall due while paused fire, in order, once resumed: what SIGSTOP does to a process. */
  pause(owner: string): void {
    if (!this.#paused.has(owner)) this.#paused.set(owner, []);
  }

  resume(owner: string): void {
    const held = this.#paused.get(owner) ?? [];
    this.#paused.delete(owner);
    for (const timer of held) {
      timer.atMs = this.#nowMs;
      // what arrived first is processed first, although a timer that was due later had been set before
      timer.order = this.#created++;
      this.#push(timer);
    }
  }

  /**
   * The machine sleeps: its processes do nothing, their monotonic clocks stand still, and what was on its way to them arrives when it
   * wakes.
   */
  sleep(owner: string): void {
    this.pause(owner);
    this.#asleepSinceMs.set(owner, this.#nowMs);
  }

  wake(owner: string): void {
    const sinceMs = this.#asleepSinceMs.get(owner);
    if (sinceMs === undefined) return;
    this.#asleepSinceMs.delete(owner);
    const sleptMs = this.#nowMs - sinceMs;
    this.#sleptMs.set(owner, sleptMs + (this.#sleptMs.get(owner) ?? 0));
    const theirs = [...(this.#paused.get(owner) ?? []), ...this.#heap.filter((timer) => timer.owner === owner)];
    this.#paused.delete(owner);
    for (const timer of theirs.sort((a, b) => (before(a, b) ? -1 : 1))) {
      const { callback } = timer;
      if (callback === null) continue;
      timer.callback = null;
      timer.movedTo = this.#insert(owner, timer.atMs + sleptMs, callback);
    }
  }

  /** Somebody sets a machine's wall clock, by a negative amount: back. */
  setWallClock(host: string, aheadMs: number): void {
    if (aheadMs < (this.#wallAheadMs.get(host) ?? 0)) this.#setBackAtMs.set(host, this.#nowMs);
    this.#wallAheadMs.set(host, aheadMs);
    this.#wallAheadMaxMs = Math.max(this.#wallAheadMaxMs, aheadMs);
  }

  /** Whether this machine's wall clock was set back within so long. */
  wasSetBack(host: string, withinMs: number): boolean {
    return (this.#setBackAtMs.get(host) ?? Number.NEGATIVE_INFINITY) > this.#nowMs - withinMs;
  }

  /** Drops all that this owner has scheduled or ever will: the process is gone. */
  end(owner: string): void {
    this.#ended.add(owner);
    this.#asleepSinceMs.delete(owner);
    this.#paused.delete(owner);
  }

  /** Lets every ready promise settle, then jumps to the next timer. False when nothing is left to happen. */
  async step(): Promise<boolean> {
    await new Promise((resolve) => setImmediate(resolve));
    for (;;) {
      const next = this.#pop();
      if (next === undefined) return false;
      if (next.callback === null || this.#ended.has(next.owner)) continue;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      const held = this.#paused.get(next.owner);
      if (held !== undefined) {
        held.push(next);
        continue;
      }
      const { callback } = next;
      next.callback = null;
      callback();
      return true;
    }
  }

  #push(timer: PendingTimer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(timer, heap[parent] as PendingTimer)) break;
      heap[at] = heap[parent] as PendingTimer;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): PendingTimer | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as PendingTimer, heap[child] as PendingTimer)) child++;
      if (!before(heap[child] as PendingTimer, last)) break;
      heap[at] = heap[child] as PendingTimer;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function before(a: PendingTimer, b: PendingTimer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
