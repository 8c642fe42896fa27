/** When one partition's records were acknowledged, in the order in which they were. Milliseconds. */
export type Acknowledgements = readonly number[];

/**
 * The longest time between two acknowledgements of which the second came after `fromMs`; null when none did. What went on before does not
 * count, nor does the time after the last one.
 */
export function longestGap(times: Acknowledgements, fromMs: number, toMs: number): number | null {
  let longest: number | null = null;
  for (const [index, time] of times.entries()) {
    if (time <= fromMs) continue;
    if (time > toMs) break;
    longest = Math.max(longest ?? 0, time - (times[index - 1] ?? fromMs));
  }
  return longest;
}

/** Of values in any order; the nearest rank. NaN of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** So many of them, from the first to the last at even distances. */
export function spread(partitions: readonly number[], count: number): number[] {
  if (partitions.length <= count) return [...partitions];
  return Array.from({ length: count }, (_, at) => partitions[Math.round((at * (partitions.length - 1)) / Math.max(1, count - 1))] ?? 0);
}
