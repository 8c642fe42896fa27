/**
 * Runs over the items with at most `atOnceMax` in flight; results in order. The first failure is thrown once all that were started have
 * ended.
 */
export async function pipelined<T, R>(items: readonly T[], atOnceMax: number, run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length);
  const failures: unknown[] = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length && failures.length === 0) {
      const index = next++;
      try {
        results[index] = await run(items[index]!);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnceMax, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}
