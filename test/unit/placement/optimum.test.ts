import fc from "fast-check";
import { expect, test } from "vitest";
import { planMoves } from "../../../placement/plan.ts";
import type { PlannedPartition } from "../../../placement/plan-contract.ts";
import { countsOf, deviationOf, rackFault, sumOfSquares } from "./checks.ts";
import { type Cluster, carriedOut, runs, seed, someCluster } from "./clusters.ts";

const small = someCluster({ brokersMax: 4, partitionsMax: 5, copiesMax: 2 });
const balance = { kind: "balance" } as const;
const options = { seed, numRuns: runs };

/** All sets of so many of these. */
function choices<T>(of: readonly T[], count: number): T[][] {
  if (count === 0) return [[]];
  return of.flatMap((first, at) => choices(of.slice(at + 1), count - 1).map((rest) => [first, ...rest]));
}

/** All placements of all partitions in which every copy is where it may be. */
function placements({ brokers, partitions }: Cluster): PlannedPartition[][] {
  const holding = brokers.filter(({ mayHold }) => mayHold).map(({ id }) => id);
  return partitions.reduce<PlannedPartition[][]>(
    (found, each) => {
      const sets = each.leader < 0 ? [[...each.replicas]] : choices(holding, each.replicas.length);
      const legal = sets.filter((replicas) => each.leader < 0 || rackFault(replicas, brokers) === null);
      return found.flatMap((some) => legal.map((replicas) => [...some, { ...each, replicas }]));
    },
    [[]],
  );
}

/** As the planner counts: an empty copy is not moved for nothing. */
function copiedBytes(before: readonly PlannedPartition[], after: readonly PlannedPartition[]): number {
  return after.reduce(
    (sum, { replicas, bytes }, at) => sum + Math.max(1, bytes) * replicas.filter((id) => !before[at]!.replicas.includes(id)).length,
    0,
  );
}

/** Of several figures the first counts most. */
function isLess(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at >= 0 && a[at]! < b[at]!;
}

function least(cluster: Cluster, judge: (after: readonly PlannedPartition[]) => readonly number[]): readonly number[] {
  return placements(cluster)
    .map(judge)
    .reduce((best, each) => (isLess(each, best) ? each : best));
}

test("by number, no plan leaves the copies more even, and none that leaves them as even copies less", () => {
  fc.assert(
    fc.property(small, (cluster) => {
      const judge = (after: readonly PlannedPartition[]) => [
        sumOfSquares(countsOf(cluster.brokers, after).values()),
        copiedBytes(cluster.partitions, after),
      ];
      const result = planMoves({ ...cluster, goal: balance, by: "replicas" });
      if (result.refused === null) expect(judge(carriedOut(cluster.partitions, result.plan))).toEqual(least(cluster, judge));
    }),
    options,
  );
});

test("no other preferred leaders of the same copies are more even, nor as even with fewer changes", () => {
  fc.assert(
    fc.property(small, (cluster) => {
      const result = planMoves({ ...cluster, goal: balance, by: "replicas" });
      if (result.refused !== null) return;
      const after = carriedOut(cluster.partitions, result.plan);
      const judge = (leaders: readonly number[]) => {
        const counts = countsOf(
          cluster.brokers,
          after.map((each, at) => ({ ...each, replicas: [leaders[at]!] })),
        );
        return [sumOfSquares(counts.values()), leaders.filter((id, at) => id !== cluster.partitions[at]!.replicas[0]).length];
      };
      const every = after.reduce<number[][]>(
        (found, { replicas, leader }) => found.flatMap((some) => (leader < 0 ? replicas.slice(0, 1) : replicas).map((id) => [...some, id])),
        [[]],
      );
      const best = every.map(judge).reduce((a, b) => (isLess(b, a) ? b : a));
      expect(judge(after.map(({ replicas }) => replicas[0]!))).toEqual(best);
    }),
    options,
  );
});

/**
 * Copying ten bytes is as bad as a byte where it should not be: that is what the planner takes a step for. What it does not find are rounds
 * over three brokers, of which the first step gains nothing.
 */
test("by bytes, a plan is the best of those that leave the counts as even, or leaves two of the largest copy more where they should not be", () => {
  let [all, best] = [0, 0];
  fc.assert(
    fc.property(small, (cluster) => {
      const unevennessOf = (after: readonly PlannedPartition[]) => sumOfSquares(countsOf(cluster.brokers, after).values());
      const badness = (after: readonly PlannedPartition[]) =>
        10 * deviationOf(cluster.brokers, after, ({ bytes }) => bytes) + copiedBytes(cluster.partitions, after);
      const result = planMoves({ ...cluster, goal: balance, by: "bytes" });
      if (result.refused !== null) return;
      const after = carriedOut(cluster.partitions, result.plan);
      const asEven = placements(cluster).filter((other) => unevennessOf(other) <= unevennessOf(after));
      const least = Math.min(...asEven.map(badness));
      const largest = Math.max(1, ...cluster.partitions.map(({ bytes }) => bytes));
      expect(badness(after)).toBeLessThanOrEqual(least + 10 * 2 * largest);
      all++;
      if (badness(after) === least) best++;
    }),
    options,
  );
  expect(best).toBeGreaterThanOrEqual(0.97 * all);
});
