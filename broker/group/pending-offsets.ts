import { invariant } from "../../protocol/base/invariant.ts";
import type { StateMemory } from "../state-machine/state-memory.ts";
import { textBytes } from "./member-memory.ts";
import type { CommittedOffset, OffsetPlace } from "./offset-book.ts";

/** A position that counts once its producer's transaction is committed. */
export interface PendingOffset extends OffsetPlace {
  readonly producerId: number;
  readonly committed: CommittedOffset;
}

/** What an entry takes beyond its texts: its objects, and its places in maps. Approximate. */
const overheadBytes = 500;

export function pendingBytes({ groupId, topic }: Pick<OffsetPlace, "groupId" | "topic">, metadata: string): number {
  return overheadBytes + textBytes(groupId) + textBytes(topic) + textBytes(metadata);
}

type ByProducer = Map<number, PendingOffset>;

/**
 * The positions of transactions that are still open, of a whole shard: by place, because clients ask for that, and by producer, because a
 * transaction ends as a whole. Changed only by records.
 */
export class PendingOffsets {
  readonly #memory: StateMemory;
  readonly #byGroup = new Map<string, Map<string, Map<number, ByProducer>>>();
  readonly #byProducer = new Map<number, Set<PendingOffset>>();

  constructor(memory: StateMemory) {
    this.#memory = memory;
  }

  groupIds(): Iterable<string> {
    return this.#byGroup.keys();
  }

  has(groupId: string): boolean {
    return this.#byGroup.has(groupId);
  }

  /** Of all producers. */
  at({ groupId, topic, partition }: OffsetPlace): Iterable<PendingOffset> {
    return this.#byGroup.get(groupId)?.get(topic)?.get(partition)?.values() ?? [];
  }

  hasAt({ groupId, topic, partition }: OffsetPlace): boolean {
    return this.#byGroup.get(groupId)?.get(topic)?.has(partition) === true;
  }

  /** Places of the group at which something is pending, each once. */
  *of(groupId: string): Generator<OffsetPlace> {
    for (const [topic, partitions] of this.#byGroup.get(groupId) ?? [])
      for (const partition of partitions.keys()) yield { groupId, topic, partition };
  }

  /** The producer's later position at a place replaces its earlier one. */
  add(pending: PendingOffset): void {
    const { groupId, topic, partition, producerId } = pending;
    const topics = this.#byGroup.get(groupId) ?? new Map<string, Map<number, ByProducer>>();
    this.#byGroup.set(groupId, topics);
    const partitions = topics.get(topic) ?? new Map<number, ByProducer>();
    topics.set(topic, partitions);
    const producers: ByProducer = partitions.get(partition) ?? new Map();
    partitions.set(partition, producers);
    const ofProducer = this.#byProducer.get(producerId) ?? new Set();
    this.#byProducer.set(producerId, ofProducer);
    const replaced = producers.get(producerId);
    if (replaced !== undefined) {
      ofProducer.delete(replaced);
      this.#memory.change(-bytesOf(replaced));
    }
    producers.set(producerId, pending);
    ofProducer.add(pending);
    this.#memory.change(bytesOf(pending));
  }

  /** The producer's transaction is over: what was pending of it. */
  end(producerId: number): readonly PendingOffset[] {
    const ended = [...(this.#byProducer.get(producerId) ?? [])];
    for (const pending of ended) this.#remove(pending);
    invariant(!this.#byProducer.has(producerId), "of a transaction that has ended nothing is pending", () => ({ producerId }));
    return ended;
  }

  /** The position was deleted: what is older than that does not come back. */
  forget(place: OffsetPlace): void {
    for (const pending of [...this.at(place)]) this.#remove(pending);
  }

  /** Another broker coordinates these groups now. */
  clear(): void {
    for (const producerId of [...this.#byProducer.keys()]) this.end(producerId);
  }

  #remove(pending: PendingOffset): void {
    const { groupId, topic, partition, producerId } = pending;
    this.#memory.change(-bytesOf(pending));
    const ofProducer = this.#byProducer.get(producerId);
    ofProducer?.delete(pending);
    if (ofProducer?.size === 0) this.#byProducer.delete(producerId);
    const topics = this.#byGroup.get(groupId);
    const partitions = topics?.get(topic);
    const producers = partitions?.get(partition);
    producers?.delete(producerId);
    if (producers?.size === 0) partitions?.delete(partition);
    if (partitions?.size === 0) topics?.delete(topic);
    if (topics?.size === 0) this.#byGroup.delete(groupId);
  }
}

function bytesOf({ committed, ...place }: PendingOffset): number {
  return pendingBytes(place, committed.metadata);
}
