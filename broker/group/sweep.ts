import type { GroupRecord, GroupTimers, Now } from "./contract.ts";
import type { OffsetBook } from "./offset-book.ts";

/** What is looked at in one turn of the loop: a millisecond or two. */
const looksPerTurnMax = 1_000;
/** And of what is found, as much as makes a batch of this size: each record has the group's id in it, which may be long. */
const bytesPerTurnMax = 128 * 1024;
/** Between two turns; none would have them follow each other in one. */
const pauseMs = 1;

export interface Sweep<T> {
  readonly timers: GroupTimers;
  /** Of its timer: one of a name at a time. */
  readonly key: string;
  /** What to look at; null: nothing, but it took a look to find that. */
  readonly steps: Iterator<T | null>;
  /** What the records about it take, about. */
  readonly bytesOf: (found: T) => number;
  /**
   * Asked in the turn in which the records are appended, also when they were refused and it is tried again: what was found before may be
   * another by then.
   */
  readonly recordsOf: (found: T, now: Now) => readonly GroupRecord[];
  readonly whenOver: (now: Now) => void;
}

/**
 * Goes over what groups have kept, some of it in each turn: there may be millions of offsets, and a client chooses when a topic is deleted,
 * or when its offsets expire.
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

export interface OffsetPlace {
  readonly groupId: string;
  readonly topic: string;
  readonly partition: number;
}

export function placeBytes({ groupId, topic }: OffsetPlace): number {
  return groupId.length + topic.length;
}

/** The offsets of the groups that there are when the first is asked for, as they are when their turn comes. */
export function* offsetPlaces(
  book: OffsetBook,
  groupIdsNow: () => readonly string[],
  isOfInterest: (topic: string) => boolean = () => true,
): Generator<OffsetPlace | null, void> {
  for (const groupId of groupIdsNow()) {
    yield null;
    for (const [topic, partitions] of book.of(groupId)) {
      yield null;
      if (!isOfInterest(topic)) continue;
      for (const partition of partitions.keys()) yield { groupId, topic, partition };
    }
  }
}
