import { type Random, randomInt } from "../../protocol/base/random.ts";
import type { RecordHeader } from "../../protocol/records/record.ts";
import type { TopicMetadata } from "../metadata/cluster-snapshot.ts";
import { partitionOfKey } from "./murmur2.ts";

export interface PartitionerInput {
  readonly topic: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
  readonly partitionsCount: number;
  /** Those that have a leader now; may be empty. */
  readonly availablePartitions: readonly number[];
}

/** Chooses a record's partition, 0 to `partitionsCount` - 1. */
export type Partitioner = (input: PartitionerInput) => number;

interface Sticky {
  readonly partition: number;
  bytesLeft: number;
}

/**
 * Kafka's default: records with a key by the key's murmur2; those without stay with one partition for about a batch's worth of bytes and
 * then move to another at random, so that batches fill (KIP-480, KIP-794). Keeps its partition per topic.
 */
export class DefaultPartitioner {
  readonly #random: Random;
  readonly #stickyBytes: number;
  readonly #onMovedOn: (topic: string, partition: number) => void;
  readonly #sticky = new Map<string, Sticky>();

  /** `onMovedOn`: no more records without a key will come to the partition for now, so that lingering would be useless. */
  constructor(random: Random, stickyBytes: number, onMovedOn: (topic: string, partition: number) => void = () => undefined) {
    this.#random = random;
    this.#stickyBytes = stickyBytes;
    this.#onMovedOn = onMovedOn;
  }

  partition(topic: TopicMetadata, key: Buffer | null, recordBytes: number): number {
    if (key !== null) return partitionOfKey(key, topic.partitions.length);
    const current = this.#sticky.get(topic.name);
    if (current !== undefined && current.bytesLeft > 0 && topic.partitions[current.partition]?.leader !== -1) {
      if (current.partition < topic.partitions.length) {
        current.bytesLeft -= recordBytes;
        return current.partition;
      }
    }
    const partition = this.#another(topic, current?.partition ?? -1);
    if (current !== undefined && current.partition !== partition) this.#onMovedOn(topic.name, current.partition);
    this.#sticky.set(topic.name, { partition, bytesLeft: this.#stickyBytes - recordBytes });
    return partition;
  }

  #another(topic: TopicMetadata, previous: number): number {
    const available = availablePartitions(topic);
    const candidates = available.length > 0 ? available : topic.partitions.map(({ partition }) => partition);
    const others = candidates.filter((partition) => partition !== previous);
    const choice = others.length > 0 ? others : candidates;
    return choice[randomInt(this.#random, choice.length)] ?? 0;
  }
}

export function availablePartitions(topic: TopicMetadata): readonly number[] {
  return topic.partitions.filter(({ leader }) => leader !== -1).map(({ partition }) => partition);
}
