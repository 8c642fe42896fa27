import { partitionKey, type TopicId, zeroTopicId } from "../../protocol/base/ids.ts";
import type { FetchRequest, FetchResponse } from "../../protocol/messages/fetch.ts";

/** The session epochs that open a session and that request none (KIP-227). */
export const initialEpoch = 0;
export const finalEpoch = -1;

/** "No session", as a session id. */
export const noSessionId = 0;

/** What a client wants of one partition, according to its last request that named it. */
export interface WantedPartition {
  /** The name in the request, or the last known name of the id; null: no topic was known by that id. */
  readonly topic: string | null;
  /** The zero id if the request named the topic by name. */
  readonly topicId: TopicId;
  readonly partition: number;
  readonly currentLeaderEpoch: number;
  readonly fetchOffset: number;
  readonly lastFetchedEpoch: number;
  readonly maxBytes: number;
}

export type PartitionAnswer = FetchResponse["responses"][number]["partitions"][number];

/** One partition in one response. */
export interface AnsweredPartition {
  readonly key: string;
  readonly wanted: WantedPartition;
  readonly answer: PartitionAnswer;
}

/** What the client was last told of a partition. */
interface Remembered {
  readonly wanted: WantedPartition;
  /** -1: send it again, whatever it is. */
  readonly highWatermark: number;
  readonly logStartOffset: number;
}

/** A topic's partition within a session: by id from version 13 on, by name before. */
export function sessionKey(topic: string, topicId: TopicId, partition: number): string {
  return partitionKey(topicId === zeroTopicId ? topic : topicId, partition);
}

export function nextEpoch(epoch: number): number {
  return epoch >= 2 ** 31 - 1 ? 1 : epoch + 1;
}

/** The partitions that a request names, each once (the last mention counts), in the order of their first mentions. */
export function wantedPartitions(request: FetchRequest, nameOf: (id: TopicId) => string | undefined): Map<string, WantedPartition> {
  const wanted = new Map<string, WantedPartition>();
  for (const { topic, topicId, partitions } of request.topics) {
    const name = topicId === zeroTopicId && topic !== "" ? topic : (nameOf(topicId) ?? null);
    for (const { partition, currentLeaderEpoch, fetchOffset, lastFetchedEpoch, partitionMaxBytes } of partitions)
      wanted.set(sessionKey(topic, topicId, partition), {
        topic: name,
        topicId,
        partition,
        currentLeaderEpoch,
        fetchOffset,
        lastFetchedEpoch,
        maxBytes: partitionMaxBytes,
      });
  }
  return wanted;
}

/**
 * A client's fetch session: the partitions that it wants, so that its requests name only what changed, and what it was last told of each,
 * so that responses do the same. The order of the partitions is the order of reading: those that had records go last, so that each gets its
 * turn at the front.
 */
export class FetchSession {
  readonly id: number;
  readonly usesTopicIds: boolean;
  readonly createdMs: number;
  lastUsedMs: number;
  /** What the client's next request must carry. */
  epoch: number = nextEpoch(initialEpoch);
  readonly #partitions = new Map<string, Remembered>();

  constructor(id: number, usesTopicIds: boolean, nowMs: number) {
    this.id = id;
    this.usesTopicIds = usesTopicIds;
    this.createdMs = nowMs;
    this.lastUsedMs = nowMs;
  }

  get size(): number {
    return this.#partitions.size;
  }

  /** In reading order. */
  wanted(): Map<string, WantedPartition> {
    return new Map([...this.#partitions].map(([key, { wanted }]) => [key, wanted]));
  }

  /** Adds or updates the partitions that a request names, and drops those that it forgets. */
  update(changed: ReadonlyMap<string, WantedPartition>, forgotten: Iterable<string>): void {
    for (const [key, wanted] of changed) {
      const known = this.#partitions.get(key);
      const topic = wanted.topic ?? known?.wanted.topic ?? null;
      this.#partitions.set(key, { highWatermark: -1, logStartOffset: -1, ...known, wanted: { ...wanted, topic } });
    }
    for (const key of forgotten) this.#partitions.delete(key);
  }

  /** Of the answers, those with anything that the client does not know; it knows them from here on. */
  tell(answers: readonly AnsweredPartition[]): AnsweredPartition[] {
    const told = answers.filter(({ key, answer }) => isNews(this.#partitions.get(key), answer));
    for (const { key, answer } of told) {
      const known = this.#partitions.get(key);
      if (known === undefined) continue; // forgotten by a later request meanwhile
      const again = answer.errorCode !== "NONE" || isDiverging(answer);
      if (hasRecords(answer)) this.#partitions.delete(key); // to the end of the order
      this.#partitions.set(key, {
        wanted: known.wanted,
        // an error is sent once, then what follows it, even when nothing else changed
        highWatermark: again ? -1 : answer.highWatermark,
        logStartOffset: answer.logStartOffset,
      });
    }
    return told;
  }
}

function isNews(known: Remembered | undefined, answer: PartitionAnswer): boolean {
  return (
    known === undefined ||
    hasRecords(answer) ||
    answer.errorCode !== "NONE" ||
    isDiverging(answer) ||
    answer.preferredReadReplica >= 0 ||
    known.highWatermark !== answer.highWatermark ||
    known.logStartOffset !== answer.logStartOffset
  );
}

function hasRecords({ records }: PartitionAnswer): boolean {
  return records?.some((chunk) => chunk.length > 0) ?? false;
}

function isDiverging({ divergingEpoch }: PartitionAnswer): boolean {
  return divergingEpoch.epoch >= 0;
}
