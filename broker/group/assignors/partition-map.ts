import type { TopicId } from "../../../protocol/base/ids.ts";

/** Partition numbers by topic: each list ascending, without duplicates, and never empty. */
export type PartitionMap = ReadonlyMap<TopicId, readonly number[]>;

export interface TopicPartitions {
  readonly topicId: TopicId;
  readonly partitions: readonly number[];
}

export const noPartitions: PartitionMap = new Map();

/** From what a peer or a record lists, in whatever order and however often it names a topic. */
export function partitionMap(listed: readonly TopicPartitions[]): PartitionMap {
  const sets = new Map<TopicId, Set<number>>();
  for (const { topicId, partitions } of listed) {
    const set = sets.get(topicId) ?? new Set();
    for (const partition of partitions) set.add(partition);
    if (set.size > 0) sets.set(topicId, set);
  }
  return new Map([...sets].map(([topicId, set]) => [topicId, [...set].sort((a, b) => a - b)]));
}

export function topicPartitions(map: PartitionMap): TopicPartitions[] {
  return [...map].map(([topicId, partitions]) => ({ topicId, partitions }));
}

export function countPartitions(map: PartitionMap): number {
  let count = 0;
  for (const partitions of map.values()) count += partitions.length;
  return count;
}

export function samePartitions(a: PartitionMap, b: PartitionMap): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [topicId, partitions] of a) {
    const others = b.get(topicId);
    if (others === undefined || others.length !== partitions.length) return false;
    if (partitions.some((partition, at) => others[at] !== partition)) return false;
  }
  return true;
}

/** Those of `map` for which `keep` is true. */
export function filterPartitions(map: PartitionMap, keep: (topicId: TopicId, partition: number) => boolean): PartitionMap {
  const kept = new Map<TopicId, readonly number[]>();
  for (const [topicId, partitions] of map) {
    const some = partitions.filter((partition) => keep(topicId, partition));
    if (some.length > 0) kept.set(topicId, some);
  }
  return kept;
}

export function commonPartitions(a: PartitionMap, b: PartitionMap): PartitionMap {
  return filterPartitions(a, membership(b));
}

/** Those of `a` that are not in `b`. */
export function withoutPartitions(a: PartitionMap, b: PartitionMap): PartitionMap {
  const taken = membership(b);
  return filterPartitions(a, (topicId, partition) => !taken(topicId, partition));
}

export function allPartitions(a: PartitionMap, b: PartitionMap): PartitionMap {
  if (b.size === 0) return a;
  return partitionMap([...topicPartitions(a), ...topicPartitions(b)]);
}

export function havePartitionsInCommon(a: PartitionMap, b: PartitionMap): boolean {
  const inB = membership(b);
  for (const [topicId, partitions] of a) if (partitions.some((partition) => inB(topicId, partition))) return true;
  return false;
}

/** Asked topic by topic, so the set of one topic at a time is enough. */
function membership(map: PartitionMap): (topicId: TopicId, partition: number) => boolean {
  let topic: TopicId | null = null;
  let set: ReadonlySet<number> = new Set();
  return (topicId, partition) => {
    if (topicId !== topic) {
      topic = topicId;
      set = new Set(map.get(topicId));
    }
    return set.has(partition);
  };
}
