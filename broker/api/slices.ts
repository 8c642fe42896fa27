import type { RequestMeter } from "./request-meter.ts";

/** What a slice may be about: so many commits take a few milliseconds. */
export const sliceMax = 250;

/** A topic of a request, with what is said of its partitions. */
interface Topic {
  readonly name: string;
  readonly partitions: readonly unknown[];
}

/** The list in pieces, each for one turn of the loop; an empty one is one piece, for even that asks whether there is a group. */
export function slicesOf<T>(items: readonly T[]): readonly (readonly T[])[] {
  const slices: (readonly T[])[] = [];
  for (let from = 0; from === 0 || from < items.length; from += sliceMax) slices.push(items.slice(from, from + sliceMax));
  return slices;
}

/** As `slicesOf`, for the partitions of topics: in their order, so that what was answered for the slices is what is to be answered for the topics. */
export function topicSlices<T extends Topic>(topics: readonly T[]): readonly (readonly T[])[] {
  const slices: T[][] = [[]];
  let count = 0;
  for (const topic of topics) {
    for (let from = 0; from < topic.partitions.length; ) {
      const partitions = topic.partitions.slice(from, from + sliceMax - count);
      slices.at(-1)?.push({ ...topic, partitions });
      from += partitions.length;
      count += partitions.length;
      if (count < sliceMax) continue;
      slices.push([]);
      count = 0;
    }
  }
  return count === 0 && slices.length > 1 ? slices.slice(0, -1) : slices;
}

/** What was answered for the partitions in their slices, by topic again. */
export function byTopicAgain<A>(
  topics: readonly Topic[],
  answers: Iterable<A>,
): { readonly name: string; readonly partitions: readonly A[] }[] {
  const remaining = answers[Symbol.iterator]();
  return topics.map(({ name, partitions }) => ({ name, partitions: partitions.map(() => remaining.next().value as A) }));
}

/**
 * Begins one slice after the other, each in a turn of the loop in which there is time for it, and waits for all answers together: for many small changes of a group that a request may name. What may change
 * between two slices, and what becomes of it:
 *
 *   1. The group: a rebalance begins, the member that asks is thrown out, the group is deleted. Every slice asks the group anew whether it may, so the partitions of one slice are refused where those of the
 *      one before were not. That is as if the member had sent several requests, of which the first came in time: each change means something on its own, and each has an error of its own.
 *   2. The coordinator moves: what was begun here is in the log, and committed or not, as any request's records are. All later slices are NOT_COORDINATOR.
 *   3. A topic is deleted, or has more partitions. Whether a partition exists is looked at in the turn in which it is committed.
 *   4. Others change the same positions in between. The later one counts, as between two requests of two clients.
 *   5. The same connection sends the next request. It is not begun before this one is answered (`Connection.#mayStart`), so a client's own commits stay in order.
 *   6. The client goes away: `pause` rejects, and what was not begun is left, as if its connection had broken before the rest of the request came.
 */
export async function inTurns<T, A>(slices: readonly T[], meter: RequestMeter, begin: (slice: T) => Promise<A>): Promise<A[]> {
  const begun: Promise<A>[] = [];
  for (const slice of slices) {
    const pause = begun.length === 0 ? null : meter.pause();
    if (pause !== null) await pause;
    const answer = begin(slice);
    // it may fail while nobody waits for it yet, or any more (6)
    answer.catch(() => undefined);
    begun.push(answer);
  }
  return Promise.all(begun);
}
