import type { Decision, Now, ShardTimers } from "./contract.ts";

interface Timer {
  readonly key: string;
  deadlineMs: number;
  expired: (now: Now) => Decision<null>;
}

interface HeapEntry {
  readonly atMs: number;
  readonly timer: Timer;
}

/** A timer that has expired: what it decides, and how to have it called again when that was refused. */
export interface Expired {
  readonly key: string;
  readonly decide: (now: Now) => Decision<null>;
}

/**
 * A heap of deadlines. Moving one to later (every sign of life does) only writes a number: the heap finds out when the old time comes, and
 * puts the timer back in its new place. So there is at most one entry per timer and shorter deadline, and a timer that is moved all the
 * time costs one heap operation per timeout.
 */
export class TimerHeap implements ShardTimers {
  readonly #byKey = new Map<string, Timer>();
  readonly #heap: HeapEntry[] = [];
  readonly #wakeAt: (deadlineMs: number) => void;

  /** `wakeAt` is called when the earliest deadline became earlier. */
  constructor(wakeAt: (deadlineMs: number) => void = () => {}) {
    this.#wakeAt = wakeAt;
  }

  get size(): number {
    return this.#byKey.size;
  }

  set(key: string, deadlineMs: number, expired: (now: Now) => Decision<null>): void {
    const known = this.#byKey.get(key);
    if (known !== undefined && deadlineMs >= known.deadlineMs) {
      known.deadlineMs = deadlineMs;
      known.expired = expired;
      return;
    }
    // an entry of the timer it replaces stays in the heap and is dropped when its time comes
    const timer: Timer = { key, deadlineMs, expired };
    this.#byKey.set(key, timer);
    this.#push({ atMs: deadlineMs, timer });
  }

  cancel(key: string): void {
    this.#byKey.delete(key);
    if (this.#heap.length > 64 && this.#heap.length > 4 * this.#byKey.size) this.#rebuild();
  }

  /** Removes and returns the next one that is due; null: none. */
  takeDue(nowMs: number): Expired | null {
    for (;;) {
      const earliest = this.#heap[0];
      if (earliest === undefined || earliest.atMs > nowMs) return null;
      const { timer } = earliest;
      this.#pop();
      if (this.#byKey.get(timer.key) !== timer) continue;
      if (timer.deadlineMs > nowMs) {
        this.#push({ atMs: timer.deadlineMs, timer });
        continue;
      }
      this.#byKey.delete(timer.key);
      return { key: timer.key, decide: timer.expired };
    }
  }

  /** When to check again, at the earliest; null: nothing is waiting. May be early. */
  nextMs(): number | null {
    return this.#heap[0]?.atMs ?? null;
  }

  #rebuild(): void {
    this.#heap.length = 0;
    for (const timer of this.#byKey.values()) this.#heap.push({ atMs: timer.deadlineMs, timer });
    this.#heap.sort((a, b) => a.atMs - b.atMs); // a sorted array is a heap
  }

  #push(entry: HeapEntry): void {
    const heap = this.#heap;
    const earliestMs = heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.atMs <= entry.atMs) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
    if (entry.atMs < earliestMs) this.#wakeAt(entry.atMs);
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.atMs < heap[child]!.atMs) child++;
      if (last.atMs <= heap[child]!.atMs) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}
