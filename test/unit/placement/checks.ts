import type { PlannedBroker, PlannedPartition } from "../../../placement/plan-contract.ts";

/** A second opinion: what a cluster must be like, written without the planner's code. */

export function racksCount(brokers: readonly PlannedBroker[]): boolean {
  return brokers.filter(({ mayHold }) => mayHold).every(({ rack }) => rack !== null);
}

/** The most copies of a partition on one rack, if they are spread as well as possible: one is added to the emptiest rack that has room. */
function leastPerRack(copies: number, brokers: readonly PlannedBroker[]): number {
  const racks = [...Map.groupBy(brokers, ({ rack }) => rack).values()].map((some) => ({ room: some.length, used: 0 }));
  for (let copy = 0; copy < copies; copy++) {
    const [emptiest] = racks.filter(({ room, used }) => used < room).sort((a, b) => a.used - b.used);
    emptiest!.used++;
  }
  return Math.max(...racks.map(({ used }) => used));
}

/** Why these copies are not as they should be; null: they are. */
export function rackFault(replicas: readonly number[], brokers: readonly PlannedBroker[]): string | null {
  if (new Set(replicas).size !== replicas.length) return "two copies on one broker";
  const holding = brokers.filter(({ mayHold }) => mayHold);
  const there = replicas.map((id) => holding.find((each) => each.id === id));
  if (there.includes(undefined)) return "a copy where none may be";
  if (!racksCount(brokers)) return null;
  const byRack = [...Map.groupBy(there, (each) => each!.rack).values()].map((some) => some.length);
  if (byRack.length > 0 && Math.max(...byRack) > leastPerRack(replicas.length, holding)) return "more copies on one rack than need be";
  return null;
}

export function countsOf(brokers: readonly PlannedBroker[], partitions: readonly PlannedPartition[]): Map<number, number> {
  const counts = new Map(brokers.filter(({ mayHold }) => mayHold).map(({ id }) => [id, 0]));
  for (const { replicas } of partitions) for (const id of replicas) if (counts.has(id)) counts.set(id, counts.get(id)! + 1);
  return counts;
}

export function sumOfSquares(counts: Iterable<number>): number {
  let sum = 0;
  for (const count of counts) sum += count * count;
  return sum;
}

/**
 * Whether copies could be moved, one from a broker to the next and so on, so that one with two more than another gives it one: then the
 * counts were not as even as they can be. `canGo`: whether something at `from` may go to `to`.
 */
export function couldBeMoreEven(counts: ReadonlyMap<number, number>, canGo: (from: number, to: number) => boolean): boolean {
  for (const [start, most] of counts) {
    const reached = new Set([start]);
    for (const from of reached) for (const to of counts.keys()) if (!reached.has(to) && canGo(from, to)) reached.add(to);
    if ([...reached].some((end) => counts.get(end)! <= most - 2)) return true;
  }
  return false;
}

/** By how much brokers are outside a tenth of the mean, all together, in whole numbers. */
export function deviationOf(
  brokers: readonly PlannedBroker[],
  partitions: readonly PlannedPartition[],
  weightOf: (partition: PlannedPartition) => number,
): number {
  const weights = new Map(brokers.filter(({ mayHold }) => mayHold).map(({ id }) => [id, 0]));
  for (const each of partitions) for (const id of each.replicas) if (weights.has(id)) weights.set(id, weights.get(id)! + weightOf(each));
  const all = [...weights.values()];
  const mean = all.reduce((sum, weight) => sum + weight, 0) / all.length;
  const [low, high] = [Math.floor(mean * (1 - 0.1)), Math.ceil(mean * (1 + 0.1))];
  return all.reduce((sum, weight) => sum + Math.max(0, weight - high, low - weight), 0);
}
