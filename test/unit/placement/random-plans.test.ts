import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planMoves } from "../../../placement/plan.ts";
import { measures, type PlannedPartition } from "../../../placement/plan-contract.ts";
import { couldBeMoreEven, countsOf, deviationOf, rackFault } from "./checks.ts";
import { type Cluster, carriedOut, runs, seed, someCluster } from "./clusters.ts";

const clusters = someCluster({ brokersMax: 9, partitionsMax: 40, copiesMax: 4 });
const balance = { kind: "balance" } as const;
const options = { seed, numRuns: runs };

function weightBy(by: (typeof measures)[number]): (partition: PlannedPartition) => number {
  return ({ bytes, traffic }) => ({ replicas: 1, bytes, traffic })[by];
}

/** Those that may move: the others are where they are. */
function led(partitions: readonly PlannedPartition[]): readonly PlannedPartition[] {
  return partitions.filter(({ leader }) => leader >= 0);
}

/** Whether one of these partitions could give its copy at `from` to `to`. */
function someCanGo({ brokers }: Cluster, partitions: readonly PlannedPartition[], from: number, to: number): boolean {
  return partitions.some(({ replicas }) => {
    const moved = replicas.map((id) => (id === from ? to : id));
    return replicas.includes(from) && !replicas.includes(to) && rackFault(moved, brokers) === null;
  });
}

function holders({ brokers }: Cluster): number {
  return brokers.filter(({ mayHold }) => mayHold).length;
}

describe.each(measures)("a balance by %s of random clusters", (by) => {
  test("has every copy where it may be, as many as before, and apart by rack", () => {
    fc.assert(
      fc.property(clusters, (cluster) => {
        const result = planMoves({ ...cluster, goal: balance, by });
        const tooMany = led(cluster.partitions).some(({ replicas }) => replicas.length > holders(cluster));
        expect(result.refused !== null).toBe(tooMany);
        if (result.refused !== null) return;
        const after = carriedOut(cluster.partitions, result.plan);
        for (const [at, { replicas, leader }] of after.entries()) {
          expect(replicas.length).toBe(cluster.partitions[at]!.replicas.length);
          if (leader >= 0) expect(rackFault(replicas, cluster.brokers)).toBeNull();
          else expect(replicas).toEqual(cluster.partitions[at]!.replicas);
        }
      }),
      options,
    );
  });

  test("copies what it says, and leaves nothing to move", () => {
    fc.assert(
      fc.property(clusters, (cluster) => {
        const result = planMoves({ ...cluster, goal: balance, by });
        if (result.refused !== null) return;
        const { plan } = result;
        const after = carriedOut(cluster.partitions, plan);
        let bytes = 0;
        for (const [at, { replicas }] of after.entries()) {
          const before = cluster.partitions[at]!;
          bytes += before.bytes * replicas.filter((id) => !before.replicas.includes(id)).length;
        }
        expect(plan.bytes).toBe(bytes);
        expect(plan.copying.reduce((sum, { receivesBytes }) => sum + receivesBytes, 0)).toBe(bytes);
        expect(plan.copying.reduce((sum, { sendsBytes }) => sum + sendsBytes, 0)).toBe(bytes);
        expect(planMoves({ brokers: cluster.brokers, partitions: after, goal: balance, by })).toMatchObject({ plan: { moves: [] } });
      }),
      options,
    );
  });

  test("has preferred leaders as even as the copies allow", () => {
    fc.assert(
      fc.property(clusters, (cluster) => {
        const result = planMoves({ ...cluster, goal: balance, by });
        if (result.refused !== null) return;
        const after = carriedOut(cluster.partitions, result.plan);
        const leaders = countsOf(
          cluster.brokers,
          after.map((each) => ({ ...each, replicas: each.replicas.slice(0, 1) })),
        );
        const canGo = (from: number, to: number) => led(after).some(({ replicas }) => replicas[0] === from && replicas.includes(to));
        expect(couldBeMoreEven(leaders, canGo)).toBe(false);
      }),
      options,
    );
  });

  test("does not depend on the order in which brokers and partitions are named", () => {
    fc.assert(
      fc.property(clusters, (cluster) => {
        const there = planMoves({ ...cluster, goal: balance, by });
        const back = planMoves({
          brokers: cluster.brokers.toReversed(),
          partitions: cluster.partitions.toReversed(),
          goal: balance,
          by,
        });
        if (there.refused === null) expect(back).toEqual(there);
        else expect(back.refused).not.toBeNull();
      }),
      { ...options, numRuns: Math.ceil(runs / 5) },
    );
  });
});

test("by number, copies are as even as racks allow", () => {
  fc.assert(
    fc.property(clusters, (cluster) => {
      const result = planMoves({ ...cluster, goal: balance, by: "replicas" });
      if (result.refused !== null) return;
      const after = carriedOut(cluster.partitions, result.plan);
      const counts = countsOf(cluster.brokers, after);
      expect(couldBeMoreEven(counts, (from, to) => someCanGo(cluster, led(after), from, to))).toBe(false);
    }),
    options,
  );
});

/** Copies and what is measured count in proportion to their sums. */
function proportionOf(partitions: readonly PlannedPartition[], weightOf: (partition: PlannedPartition) => number): number {
  const sumOf = (of: (partition: PlannedPartition) => number) => partitions.reduce((sum, each) => sum + of(each) * each.replicas.length, 0);
  return sumOf(weightOf) / sumOf(({ bytes }) => Math.max(1, bytes));
}

test.each(["bytes", "traffic"] as const)(
  "by %s, no broker could give one copy to another and mend more than a tenth of what it is",
  (by) => {
    fc.assert(
      fc.property(clusters, (cluster) => {
        const result = planMoves({ ...cluster, goal: balance, by });
        if (result.refused !== null) return;
        const after = carriedOut(cluster.partitions, result.plan);
        const deviation = deviationOf(cluster.brokers, after, weightBy(by));
        const proportion = proportionOf(led(after), weightBy(by));
        for (const each of led(after))
          for (const [at] of each.replicas.entries())
            for (const { id } of cluster.brokers) {
              const moved = { ...each, replicas: each.replicas.with(at, id) };
              if (each.replicas.includes(id) || rackFault(moved.replicas, cluster.brokers) !== null) continue;
              const other = after.map((one) => (one === each ? moved : one));
              const mended = deviation - deviationOf(cluster.brokers, other, weightBy(by));
              expect(mended).toBeLessThanOrEqual(0.100001 * proportion * Math.max(1, each.bytes));
            }
      }),
      { ...options, numRuns: Math.ceil(runs / 5) },
    );
  },
);

test.each(measures)("draining by %s empties the brokers that are to be, and touches nothing else", (by) => {
  fc.assert(
    fc.property(clusters, (cluster) => {
      const result = planMoves({ ...cluster, goal: { kind: "drain" }, by });
      if (result.refused !== null) return;
      const drained = new Set(cluster.brokers.filter(({ mayHold }) => !mayHold).map(({ id }) => id));
      for (const [at, { replicas, leader }] of carriedOut(cluster.partitions, result.plan).entries()) {
        const before = cluster.partitions[at]!.replicas;
        const staying = before.filter((id) => !drained.has(id));
        expect(new Set(replicas).size).toBe(before.length);
        if (leader < 0) expect(replicas).toEqual(before);
        else expect(replicas).toEqual(expect.arrayContaining(staying));
        if (leader >= 0) expect(replicas.some((id) => drained.has(id))).toBe(false);
        if (staying.length === before.length) expect(replicas).toEqual(before);
        if (leader >= 0 && staying.includes(before[0]!)) expect(replicas[0]).toBe(before[0]);
      }
    }),
    options,
  );
});

test.each(measures)("another number of copies by %s: so many for each, and the old ones as far as they are wanted", (by) => {
  fc.assert(
    fc.property(clusters, fc.integer({ min: 1, max: 5 }), (cluster, copies) => {
      const result = planMoves({ ...cluster, goal: { kind: "copies", topic: "topic0", copies }, by });
      if (result.refused !== null) return;
      for (const [at, { topic, replicas, leader }] of carriedOut(cluster.partitions, result.plan).entries()) {
        const before = cluster.partitions[at]!;
        if (topic !== "topic0" || leader < 0) {
          expect(replicas).toEqual(before.replicas);
          continue;
        }
        expect(new Set(replicas).size).toBe(copies);
        const kept = replicas.filter((id) => before.replicas.includes(id));
        const isHeld = (id: number) => cluster.brokers.some((each) => each.id === id && each.mayHold);
        if (before.replicas.every(isHeld)) expect(kept).toHaveLength(Math.min(copies, before.replicas.length));
        if (isHeld(before.leader)) expect(replicas).toContain(before.leader);
      }
    }),
    options,
  );
});
