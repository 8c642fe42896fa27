import type { Now, ShardTimers, StateRecord } from "./contract.ts";

/** What is checked in one turn of the loop: a millisecond or two. */
const looksPerTurnMax = 1_000;
/** And of what is found, as much as fills a batch of this size: a name that each record contains may be long. */
const bytesPerTurnMax = 128 * 1024;
/** Between two turns; none would have them follow each other in one. */
const pauseMs = 1;

export interface Sweep<T> {
  readonly timers: ShardTimers;
  /** Of its timer: one of a name at a time. */
  readonly key: string;
  /** What to check; null: nothing, but it took a check to find that. */
  readonly steps: Iterator<T | null>;
  /** What the records about it take, about. */
  readonly bytesOf: (found: T) => number;
  /**
   * Asked in the turn in which the records are appended, also when they were refused and it is retried: what was found before may have
   * changed by then.
   */
  readonly recordsOf: (found: T, now: Now) => readonly StateRecord[];
  readonly whenOver: (now: Now) => void;
}

/**
 * Goes over what a shard keeps, some of it in each turn, and appends the changes: there may be millions of entries, and a client chooses
 * when they expire.
 */
export function sweep<T>(order: Sweep<T>, atMs: number): void {
  const { timers, key, recordsOf, whenOver } = order;
  let found: readonly T[] | null = null;
  let isOver = false;
  timers.set(key, atMs, (now) => {
    if (found === null) ({ found, isOver } = take(order));
    const records = found.flatMap((each) => recordsOf(each, now));
    const accepted = () => {
      if (isOver) whenOver(now);
      else sweep(order, now.monotonicMs + pauseMs);
      return [];
    };
    return { records, answer: null, divisible: true, accepted };
  });
}

function take<T>({ steps, bytesOf }: Sweep<T>): { readonly found: readonly T[]; readonly isOver: boolean } {
  const found: T[] = [];
  let bytes = 0;
  for (let looks = 0; looks < looksPerTurnMax && bytes < bytesPerTurnMax; looks++) {
    const { done, value } = steps.next();
    if (done === true) return { found, isOver: true };
    if (value === null) continue;
    found.push(value);
    bytes += bytesOf(value);
  }
  return { found, isOver: false };
}
