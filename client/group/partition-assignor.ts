import { partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";

/**
 * Eager: every member revokes all its partitions before each rebalance. Cooperative (KIP-429): only those that go to another member, after
 * the assignment.
 */
export type RebalanceProtocol = "eager" | "cooperative";

/** A member as the leader of the group sees it. */
export interface GroupMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly topics: readonly string[];
  /** What it claims to own, and since which generation (-1: not known). */
  readonly owned: readonly TopicPartition[];
  readonly generation: number;
}

/** By topic, how many partitions it has. Topics that do not exist are left out. */
export type PartitionCounts = ReadonlyMap<string, number>;

/** By member id; every member has an entry. */
export type GroupAssignment = ReadonlyMap<string, readonly TopicPartition[]>;

/** What a member puts into its subscription. */
export interface OwnedBefore {
  readonly partitions: readonly TopicPartition[];
  readonly generation: number;
}

export interface Assignor {
  /** As on the wire: other clients use the same names. */
  readonly name: string;
  readonly rebalanceProtocol: RebalanceProtocol;
  userData(before: OwnedBefore): Buffer | null;
  /** What was owned before according to the assignor's own user data; null: the subscription says so. */
  readUserData(bytes: Buffer): OwnedBefore | null;
  /** Pure. Each partition of a subscribed topic has one owner, or (cooperative) none until its present owner has revoked it. */
  assign(members: readonly GroupMember[], counts: PartitionCounts): GroupAssignment;
}

/** In the order that Kafka's assignors use: static members first, by instance id, then the others by member id. */
export function sortedMembers(members: readonly GroupMember[]): GroupMember[] {
  return members.toSorted((a, b) => {
    if (a.groupInstanceId !== null && b.groupInstanceId !== null) return compare(a.groupInstanceId, b.groupInstanceId);
    if (a.groupInstanceId !== null) return -1;
    if (b.groupInstanceId !== null) return 1;
    return compare(a.memberId, b.memberId);
  });
}

export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Topics that exist and have subscribers, sorted by name. */
export function subscribedTopics(members: readonly GroupMember[], counts: PartitionCounts): string[] {
  return [...new Set(members.flatMap(({ topics }) => topics))].filter((topic) => counts.has(topic)).toSorted(compare);
}

export function partitionsOf(topics: readonly string[], counts: PartitionCounts): TopicPartition[] {
  return topics.flatMap((topic) => Array.from({ length: counts.get(topic) ?? 0 }, (_, partition) => ({ topic, partition })));
}

/** `all` without `removed`. */
export function without(all: readonly TopicPartition[], removed: readonly TopicPartition[]): TopicPartition[] {
  const keys = new Set(removed.map(keyOf));
  return all.filter((each) => !keys.has(keyOf(each)));
}

export function keyOf({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition);
}

/** `[{topic, partitions}]`, as in the protocol. */
export function byTopic(partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  return [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
    topic,
    partitions: ofTopic.map(({ partition }) => partition),
  }));
}

export function flat(topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[]): TopicPartition[] {
  return topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })));
}
