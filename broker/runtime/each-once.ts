/**
 * Each once, in the order of first occurrence. Answers name what they are about, so what is requested twice is answered once: such clients
 * find it all the same, and a small request cannot multiply a large answer.
 */
export function distinct<T>(items: Iterable<T>, keyOf: (item: T) => unknown): T[] {
  const byKey = new Map<unknown, T>();
  for (const item of items) {
    const key = keyOf(item);
    if (!byKey.has(key)) byKey.set(key, item);
  }
  return [...byKey.values()];
}

/** As `distinct`, for partitions that are named by topic. */
export function partitionsByTopic(
  named: Iterable<{ readonly name: string; readonly partitionIndexes: readonly number[] }>,
): ReadonlyMap<string, ReadonlySet<number>> {
  const byTopic = new Map<string, Set<number>>();
  for (const { name, partitionIndexes } of named) {
    const partitions = byTopic.get(name) ?? new Set();
    for (const partition of partitionIndexes) partitions.add(partition);
    byTopic.set(name, partitions);
  }
  return byTopic;
}

/** The same as a list. */
export function eachPartitionOnce(
  named: Iterable<{ readonly name: string; readonly partitionIndexes: readonly number[] }>,
): { readonly topic: string; readonly partition: number }[] {
  return [...partitionsByTopic(named)].flatMap(([topic, numbers]) => [...numbers].map((partition) => ({ topic, partition })));
}
