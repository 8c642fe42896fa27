import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { AppendRoom } from "../state-machine/append-room.ts";
import type { Ran } from "../state-machine/ticket.ts";
import type { RequestMeter } from "./request-meter.ts";

/** The most items in a slice: so many commits take a few milliseconds. */
export const sliceMax = 250;
/** The most bytes that a slice may append, unless one record alone is larger. */
export const sliceMaxBytes = 128 * 1024;

/** A topic of a request, with its partitions' entries. */
interface Topic<P = unknown> {
  readonly name: string;
  readonly partitions: readonly P[];
}

/**
 * The list in pieces, each for one turn of the event loop. An empty list is one piece, because even that must check whether the group
 * exists.
 */
export function slicesOf<T>(items: readonly T[]): readonly { readonly items: readonly T[]; readonly bytes: 0 }[] {
  const slices: { readonly items: readonly T[]; readonly bytes: 0 }[] = [];
  for (let from = 0; from === 0 || from < items.length; from += sliceMax)
    slices.push({ items: items.slice(from, from + sliceMax), bytes: 0 });
  return slices;
}

/** A part of a request, and the number of bytes that it will append. */
export interface TopicSlice<T> {
  readonly topics: readonly T[];
  readonly bytes: number;
}

/**
 * As `slicesOf`, for the partitions of topics, in their order, so that the answers of the slices are in the order of the topics. A slice is
 * full when it has `sliceMax` partitions, or appends `sliceMaxBytes`: a record may contain a group's id, a topic's name and a text, and be
 * a thousand times as large as its entry in the request.
 */
export function topicSlices<P, T extends Topic<P>>(
  topics: readonly (T & Topic<P>)[],
  bytesOf: (topic: T, partition: P) => number = () => 0,
): readonly TopicSlice<T>[] {
  const slices: TopicSlice<T>[] = [];
  let slice: T[] = [];
  let count = 0;
  let bytes = 0;
  const cut = () => {
    slices.push({ topics: slice, bytes });
    slice = [];
    count = 0;
    bytes = 0;
  };
  for (const topic of topics) {
    let from = 0;
    const take = (to: number) => {
      if (to > from) slice.push({ ...topic, partitions: topic.partitions.slice(from, to) });
      from = to;
    };
    for (let at = 0; at < topic.partitions.length; at++) {
      const more = bytesOf(topic, topic.partitions[at]!);
      if (count === sliceMax || (count > 0 && bytes + more > sliceMaxBytes)) {
        take(at);
        cut();
      }
      count++;
      bytes += more;
    }
    take(topic.partitions.length);
  }
  if (count > 0 || slices.length === 0) cut();
  return slices;
}

/** The answers for the partitions in their slices, grouped by topic again. */
export function byTopicAgain<A>(
  topics: readonly Topic[],
  answers: Iterable<A>,
): { readonly name: string; readonly partitions: readonly A[] }[] {
  const remaining = answers[Symbol.iterator]();
  return topics.map(({ name, partitions }) => ({ name, partitions: partitions.map(() => remaining.next().value as A) }));
}

/**
 * Each topic and each of its partitions once, in the order of their first mentions, so that a small request cannot change the same thing a
 * hundred thousand times. If a partition is named more than once, the last mention counts.
 */
export function lastOfEach<T extends NumberedTopic>(topics: readonly T[], keyOf: (topic: T) => string): T[] {
  const byKey = new Map<string, { readonly topic: T; readonly partitions: Map<number, Numbered> }>();
  for (const topic of topics) {
    const key = keyOf(topic);
    const known = byKey.get(key) ?? { topic, partitions: new Map<number, Numbered>() };
    byKey.set(key, known);
    for (const partition of topic.partitions) known.partitions.set(partition.partitionIndex, partition);
  }
  return [...byKey.values()].map(({ topic, partitions }) => ({ ...topic, partitions: [...partitions.values()] }));
}

interface NumberedTopic {
  readonly partitions: readonly Numbered[];
}

interface Numbered {
  readonly partitionIndex: number;
}

/** The request names so many partitions that one pass over all of them takes some time. */
export function takesLong(topics: readonly NumberedTopic[]): boolean {
  return topics.reduce((sum, { partitions }) => sum + partitions.length, 0) > passMax;
}

/** Partitions: some milliseconds. */
const passMax = 10_000;

/** The answers for the partitions of `once` (see `lastOfEach`), in every place in which they were named: by topic, as in `asked`. */
export function inAllPlaces<T extends NumberedTopic, A>(
  asked: readonly T[],
  once: readonly T[],
  keyOf: (topic: T) => string,
  answers: Iterable<A>,
): A[][] {
  const remaining = answers[Symbol.iterator]();
  const byKey = new Map(
    once.map((topic) => [
      keyOf(topic),
      new Map(topic.partitions.map(({ partitionIndex }) => [partitionIndex, remaining.next().value as A])),
    ]),
  );
  return asked.map((topic) => {
    const ofTopic = byKey.get(keyOf(topic));
    return topic.partitions.map(({ partitionIndex }) => ofTopic?.get(partitionIndex) as A);
  });
}

interface TurnParts {
  readonly meter: RequestMeter;
  /** For requests that append much: the room that large requests share. */
  readonly room?: AppendRoom;
}

/**
 * Starts one slice after the other, each in a turn of the event loop in which there is time for it, and when earlier slices have left room
 * for it; waits for all answers together. For the many small changes of a group that one request may name. After the first slice that the
 * coordinator refuses no more are started, and the same error is the answer for all that is left: the client will repeat what was refused,
 * so work on it would be in vain. What may change between two slices, and what happens then:
 *
 *   1. The group: a rebalance begins, the member that asks is thrown out, the group is deleted. Every slice asks the group again whether it
 *      may, so the partitions of one slice are refused where those of the one before were not. That is as if the member had sent several
 *      requests, of which the first came in time: each change means
 *      something on its own, and each has an error of its own.
 *   2. The coordinator moves: what was begun here is in the log, and committed or not, as any request's records are. All later slices are
 *      NOT_COORDINATOR.
 *   3. A topic is deleted, or has more partitions. Whether a partition exists is checked in the turn in which it is committed.
 *   4. Others change the same positions in between. The later change counts, as between two requests of two clients.
 *   5. The same connection sends the next request. It is not started before this one is answered (`Connection.#mayStart`), so a client's
 *      own commits stay in order.
 *   6. The client goes away: `pause` rejects, or `checkAwaited` throws, and the remaining slices are dropped, as if the connection had
 *      broken before the rest of the request came.
 */
export async function inTurns<T extends { readonly bytes: number }, A>(
  slices: readonly T[],
  { meter, room }: TurnParts,
  begin: (slice: T) => Promise<Ran<A>>,
): Promise<readonly Ran<A>[]> {
  const answers: Promise<Ran<A>>[] = [];
  let refusal: KafkaError | null = null;
  // a single slice does not wait for others
  const queued = slices.length > 1 ? room : undefined;
  const turn = async (slice: T, bytes: number): Promise<Ran<A>> => {
    try {
      // it may have waited for its turn
      if (answers.length > 0) meter.checkAwaited();
      const ran: Ran<A> = refusal === null ? await begin(slice) : { error: refusal };
      refusal ??= ran.error;
      return ran;
    } finally {
      queued?.leave(bytes);
    }
  };
  for (const slice of slices) {
    const pause = answers.length === 0 ? null : meter.pause();
    if (pause !== null) await pause;
    const bytes = refusal === null ? slice.bytes : 0;
    const entered = queued?.enter(bytes) ?? null;
    if (entered !== null) await entered;
    const answer = turn(slice, bytes);
    // it may fail before anybody waits for it, or when nobody does any more (6)
    answer.catch(() => undefined);
    answers.push(answer);
  }
  return Promise.all(answers);
}
