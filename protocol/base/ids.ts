import type { Random } from "./random.ts";

/** A broker's number, as in `broker.id`: 0 or more. -1 stands for "none" on the wire. */
export type BrokerId = number;

export const noBroker: BrokerId = -1;

/**
 * The registrations (broker epochs) under which the members of an ISR joined it, by broker id (KIP-903). A member that has registered again
 * since is in another life: what it had in the earlier one may be lost.
 */
export type IsrEpochs = Readonly<Record<string, number>>;

/** A topic's 128-bit id in Kafka's text form: 22 characters of URL-safe base64, no padding. */
export type TopicId = string;

/** On the wire, the id of a topic that has none. */
export const zeroTopicId: TopicId = "AAAAAAAAAAAAAAAAAAAAAA";

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** `topic-3`: the name of the partition's folder, and its key in maps. */
export function partitionKey(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

/** The order of topics, and of partitions in each. */
export function byTopicAndPartition(a: TopicPartition, b: TopicPartition): number {
  if (a.topic === b.topic) return a.partition - b.partition;
  return a.topic < b.topic ? -1 : 1;
}

/** As `partitionKey`, for a partition as a client names it: any text, and any number, also a negative one. */
export function askedKey(topic: string, partition: number): string {
  return `${partition}/${topic}`;
}

/** A random id; never the zero id, nor one that starts with "-" (awkward on command lines; Kafka avoids it too). */
export function newTopicId(random: Random): TopicId {
  for (;;) {
    const id = random.bytes(16).toString("base64url");
    if (id !== zeroTopicId && !id.startsWith("-")) return id;
  }
}
