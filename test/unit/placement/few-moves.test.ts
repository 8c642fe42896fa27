import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadsOf } from "../../../placement/broker-loads.ts";
import { fewMoves, partitionsPlannedMax } from "../../../placement/few-moves.ts";
import type { BrokerLoad, PlanInput, PlannedMove, PlannedPartition } from "../../../placement/plan-contract.ts";
import { couldBeMoreEven, countsOf, rackFault } from "./checks.ts";
import { broker, type Cluster, partition, planned, runs, seed, someCluster } from "./clusters.ts";

/** All is well there, as where this is asked. */
const calmClusters = someCluster({ brokersMax: 9, partitionsMax: 40, copiesMax: 4 }).map(({ brokers, partitions }): Cluster => {
  const ids = brokers.map(({ id }) => id);
  const present = partitions.filter(({ replicas }) => replicas.every((id) => ids.includes(id)));
  return {
    brokers: brokers.map((each) => ({ ...each, mayHold: true })),
    partitions: present.map((each) => ({ ...each, leader: each.replicas[0]! })),
  };
});

function moved(partitions: readonly PlannedPartition[], moves: readonly PlannedMove[]): readonly PlannedPartition[] {
  return partitions.map((each) => {
    const move = moves.find(({ topic, partition }) => topic === each.topic && partition === each.partition);
    return move === undefined ? each : { ...each, replicas: move.to, leader: move.to[0]! };
  });
}

function unevenness(loads: readonly BrokerLoad[]): number {
  return loads.reduce((sum, { replicas }) => sum + replicas ** 2, 0);
}

/** Each group of moves, and what there is after it, until nothing is to be gained. */
function* groupsOf({ brokers, partitions }: Cluster, movesMax: number, onto: ReadonlySet<number> | null = null) {
  let now = partitions;
  for (let group = 0; ; group++) {
    const moves = fewMoves({ brokers, partitions: now, kept: new Map(), onto, movesMax });
    if (moves.length === 0) return now;
    expect(moves.length).toBeLessThanOrEqual(movesMax);
    const before = now;
    now = moved(now, moves);
    yield { moves, before, after: now, group };
  }
}

describe("few moves at a time", () => {
  test("make no step back, come to an end, and then nothing could be more even", () => {
    fc.assert(
      fc.property(calmClusters, fc.integer({ min: 1, max: 5 }), (cluster, movesMax) => {
        const { brokers, partitions } = cluster;
        let last = partitions;
        for (const { moves, before, after, group } of groupsOf(cluster, movesMax)) {
          expect(group).toBeLessThan(4 * partitions.length);
          for (const { from, to, adding, removing } of moves) {
            expect(to.length).toBe(from.length);
            expect(new Set(to).size).toBe(to.length);
            expect(adding.length).toBe(removing.length);
            expect(rackFault(to, brokers)).toBeNull();
          }
          const was = loadsOf(brokers, before);
          const is = loadsOf(brokers, after);
          expect(unevenness(is)).toBeLessThanOrEqual(unevenness(was));
          last = after;
        }
        const isApart = last.every(({ replicas }) => rackFault(replicas, brokers) === null);
        if (!isApart) return;
        const canGo = (from: number, to: number) =>
          last.some(({ replicas }) => {
            const then = replicas.map((id) => (id === from ? to : id));
            return replicas.includes(from) && !replicas.includes(to) && rackFault(then, brokers) === null;
          });
        expect(couldBeMoreEven(countsOf(brokers, last), canGo)).toBe(false);
      }),
      { seed, numRuns: runs },
    );
  });

  test("onto some brokers: the others get neither copies nor preferred leaderships", () => {
    fc.assert(
      fc.property(calmClusters, fc.integer({ min: 1, max: 5 }), (cluster, movesMax) => {
        const [first, second] = cluster.brokers.map(({ id }) => id);
        const onto = new Set([first!, second ?? first!]);
        for (const { before, after, group } of groupsOf(cluster, movesMax, onto)) {
          expect(group).toBeLessThan(4 * cluster.partitions.length);
          for (const [at, { replicas }] of after.entries()) {
            const was = before[at]!.replicas;
            for (const id of replicas) expect(was.includes(id) || onto.has(id)).toBe(true);
            if (replicas[0] !== was[0] && replicas.includes(was[0]!)) expect(onto.has(replicas[0]!)).toBe(true);
          }
        }
      }),
      { seed, numRuns: runs },
    );
  });
});

test("what brokers have besides, and keep, counts", () => {
  const partitions = [0, 1, 2, 3].map((number) => partition(`t-${number}`, [1]));
  const plan = (kept: PlanInput["kept"]) =>
    planned({
      brokers: [broker(1), broker(2)],
      partitions,
      goal: { kind: "balance" },
      by: "replicas",
      ...(kept === undefined ? {} : { kept }),
    });
  const counts = (kept?: PlanInput["kept"]) => plan(kept).moves.length;
  expect(counts()).toBe(2);
  expect(counts(new Map([[1, { replicas: 2, leaders: 2 }]]))).toBe(3);
  expect(counts(new Map([[2, { replicas: 4, leaders: 4 }]]))).toBe(0);
  // leaders alone: the copies are where they should be
  expect(counts(new Map([[2, { replicas: 2, leaders: 0 }]]))).toBe(1);
});

describe("of more partitions than are looked at", () => {
  const count = 3 * partitionsPlannedMax;
  const brokers = [1, 2, 3, 4].map((id) => broker(id));
  const partitions = Array.from({ length: count }, (_, at) => {
    const replicas = [0, 1, 2].map((next) => 1 + ((at + next) % 3));
    return partition(`t${at % 5}-${Math.floor(at / 5)}`, replicas);
  });

  test("a broker that has nothing gets its share all the same", () => {
    let last: readonly PlannedPartition[] = partitions;
    for (const { after } of groupsOf({ brokers, partitions }, 50)) last = after;
    const loads = loadsOf(brokers, last);
    expect(loads.map(({ replicas }) => replicas)).toEqual([900, 900, 900, 900]);
    expect(loads.map(({ leaders }) => leaders)).toEqual([300, 300, 300, 300]);
  });

  test("what is moved first is of all topics", () => {
    const moves = fewMoves({ brokers, partitions, kept: new Map(), onto: null, movesMax: 50 });
    expect(new Set(moves.map(({ topic }) => topic)).size).toBe(5);
  });
});
