import { type TopicId, zeroTopicId } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { Reader } from "../../protocol/wire/reader.ts";
import { type OffsetCommitValue, offsetCommitKey, offsetCommitValue, readKey, readVersioned } from "./group-records.ts";

/** What a group has committed for one partition. */
export interface CommittedOffset {
  readonly offset: number;
  /** -1: unknown. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitTimestampMs: number;
  /** Wall clock; -1: the broker's retention counts. */
  readonly expireTimestampMs: number;
  /** The topic that it is a position in; null: a record that does not name it, and was written before this broker coordinated the group. */
  readonly topicId: TopicId | null;
  /** Where in the groups' log its batch begins. Of two positions at one place the one that is later in the log counts. */
  readonly loggedAt: number;
}

export type TopicOffsets = ReadonlyMap<number, CommittedOffset>;
export type GroupOffsets = ReadonlyMap<string, TopicOffsets>;

const none: GroupOffsets = new Map();

/** Every committed offset of a shard, by group, topic and partition. Changed only by records. */
export class OffsetBook {
  readonly #byGroup = new Map<string, Map<string, Map<number, CommittedOffset>>>();
  #size = 0;

  /** Offsets in the book. */
  get size(): number {
    return this.#size;
  }

  groupIds(): Iterable<string> {
    return this.#byGroup.keys();
  }

  /** Topics without offsets are left out. */
  of(groupId: string): GroupOffsets {
    return this.#byGroup.get(groupId) ?? none;
  }

  has(groupId: string): boolean {
    return this.#byGroup.has(groupId);
  }

  find(groupId: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#byGroup.get(groupId)?.get(topic)?.get(partition);
  }

  set({ groupId, topic, partition }: OffsetPlace, committed: CommittedOffset): void {
    const topics = this.#byGroup.get(groupId) ?? new Map<string, Map<number, CommittedOffset>>();
    if (topics.size === 0) this.#byGroup.set(groupId, topics);
    const partitions = topics.get(topic) ?? new Map<number, CommittedOffset>();
    if (partitions.size === 0) topics.set(topic, partitions);
    const before = partitions.size;
    partitions.set(partition, committed);
    this.#size += partitions.size - before;
    this.#check();
  }

  remove({ groupId, topic, partition }: OffsetPlace): void {
    const topics = this.#byGroup.get(groupId);
    const partitions = topics?.get(topic);
    if (topics === undefined || partitions === undefined || !partitions.delete(partition)) return;
    this.#size--;
    if (partitions.size > 0) return;
    topics.delete(topic);
    if (topics.size === 0) this.#byGroup.delete(groupId);
    this.#check();
  }

  #check(): void {
    invariant(this.#size >= this.#byGroup.size, "a group is in the book as long as it has offsets");
  }
}

/** What a record of the log says about a position; `committed` null: it is deleted. */
export interface OffsetNews {
  readonly place: OffsetPlace;
  readonly committed: CommittedOffset | null;
}

/**
 * `key` is positioned after its version. `idOf`: of a topic by its name, for a record that does not name it. Throws MalformedFrame.
 */
export function readOffset(
  keyVersion: number,
  key: Reader,
  { value, loggedAt }: { readonly value: Buffer | null; readonly loggedAt: number },
  idOf: (topic: string) => TopicId | null,
): OffsetNews {
  const { group: groupId, topic, partition } = readKey(offsetCommitKey, keyVersion, key);
  const place = { groupId, topic, partition };
  if (value === null) return { place, committed: null };
  return { place, committed: { ...fromRecord(readVersioned(offsetCommitValue, value), () => idOf(topic)), loggedAt } };
}

function fromRecord(value: OffsetCommitValue, idOf: () => TopicId | null): Omit<CommittedOffset, "loggedAt"> {
  const { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp, topicId } = value;
  const id = topicId === zeroTopicId ? idOf() : topicId;
  return { offset, leaderEpoch, metadata, commitTimestampMs: commitTimestamp, expireTimestampMs: expireTimestamp, topicId: id };
}

export interface OffsetPlace {
  readonly groupId: string;
  readonly topic: string;
  readonly partition: number;
}

export function placeBytes({ groupId, topic }: OffsetPlace): number {
  return groupId.length + topic.length;
}

/** For a sweep: the offsets of the groups that exist when the first is read, as they are when their turn comes. */
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
