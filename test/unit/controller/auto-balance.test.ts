import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type BalanceSettings,
  type BalanceUnderWay,
  nextMoves,
  nothingUnderWay,
  troubleOf,
} from "../../../broker/controller/auto-balance.ts";
import {
  type ControllerState,
  emptyState,
  offlineKey,
  type TopicState,
  withBrokers,
  withDeletions,
  withOfflineReplicas,
  withPartitions,
  withShuttingDown,
  withSuspects,
  withTopics,
} from "../../../broker/controller/controller-state.ts";
import type { BrokerRecord, PartitionRecord } from "../../../protocol/peer/messages.ts";
import { runs, seed } from "../placement/clusters.ts";

const off: BalanceSettings = { mode: "off", partitionsAtOnce: 3, imbalancePercent: 10, excludedBrokers: new Set() };
const full: BalanceSettings = { ...off, mode: "full" };
const newBrokers: BalanceSettings = { ...off, mode: "new-brokers" };

function broker(id: number, rack: string | null = null): BrokerRecord {
  return { id, epoch: 100 + id, rack, endpoints: [], peer: { host: "localhost", port: id } };
}

function record(partition: number, replicas: readonly number[]): PartitionRecord {
  const state = { leader: replicas[0]!, leaderEpoch: 0, isr: [...replicas], isrEpochs: {}, stateVersion: 0, leaderRecovering: false };
  return { partition, replicas, ...state };
}

function topic(name: string, assignment: readonly (readonly number[])[]): TopicState {
  const partitions = assignment.map((replicas, partition) => record(partition, replicas));
  return { name, id: `id-${name}`, version: 0, partitions, config: {} };
}

function clusterOf(ids: readonly number[], ...topics: readonly TopicState[]): ControllerState {
  return withTopics(withBrokers(emptyState, new Map(ids.map((id) => [id, broker(id)])), new Map()), topics);
}

/** The moves as they are in the end. */
function moved(state: ControllerState, moves: ReturnType<typeof nextMoves>["moves"]): ControllerState {
  const changes = moves.map(({ topic, partition, to }) => ({ topic, record: { ...record(partition, to), stateVersion: 1e9 } }));
  return withPartitions(state, changes);
}

function countsIn(state: ControllerState): { readonly copies: number[]; readonly leaders: number[] } {
  const all = [...state.topics.values()].flatMap(({ partitions }) => partitions.map(({ replicas }) => replicas));
  const ids = [...state.brokers.keys()];
  return {
    copies: ids.map((id) => all.filter((replicas) => replicas.includes(id)).length),
    leaders: ids.map((id) => all.filter(([first]) => first === id).length),
  };
}

/** Until nothing is moved any more; how many groups it took. */
function settle(state: ControllerState, settings: BalanceSettings, begin: BalanceUnderWay = nothingUnderWay) {
  let [now, underWay, groups] = [state, begin, 0];
  for (; ; groups++) {
    const { moves, ...next } = nextMoves(now, settings, underWay);
    underWay = next;
    if (moves.length === 0) return { state: now, underWay, groups };
    expect(moves.length).toBeLessThanOrEqual(settings.partitionsAtOnce);
    if (groups > 500) throw new Error("it does not come to an end");
    now = moved(now, moves);
  }
}

const even = clusterOf([1, 2, 3], topic("t", [[1, 2], [2, 3], [3, 1], [1, 3], [2, 1], [3, 2]])); // biome-ignore format: the assignment
const withFourth = { ...even, brokers: new Map(even.brokers).set(4, broker(4)) };

describe("what is wrong", () => {
  const [t] = [...even.topics.values()];
  const changed = (change: Partial<PartitionRecord>) =>
    withPartitions(even, [{ topic: "t", record: { ...t!.partitions[4]!, stateVersion: 1, ...change } }]);

  test("nothing is, while somebody moves a partition", () => {
    expect(troubleOf(even)).toBeNull();
    expect(troubleOf(changed({ replicas: [3, 2, 1], reassignment: { adding: [3], removing: [1] } }))).toBeNull();
  });

  test.each<[string, ControllerState, string]>([
    ["a replica out of sync", changed({ isr: [2] }), "t-4 is under-replicated"],
    ["a replica on a broker that is away", changed({ replicas: [2, 9], isr: [2, 9] }), "t-4 is under-replicated"],
    ["no leader", changed({ leader: -1 }), "t-4 has no leader"],
    ["no leader, and under reassignment", changed({ leader: -1, reassignment: { adding: [1], removing: [] } }), "t-4 has no leader"],
    ["a suspect", withSuspects(even, { suspects: new Set([2]), unreached: new Set() }), "broker 2 does not answer"],
    ["a broker that stops", withShuttingDown(even, [1, 3]), "broker 1, 3 is being shut down"],
    [
      "a replica offline",
      withOfflineReplicas(even, 3, {
        sequence: 1,
        replicas: new Map([[offlineKey("id-t", 0), { topicId: "id-t", partition: 0, reason: "" }]]),
      }),
      "broker 3 has replicas",
    ],
    [
      "a deletion that a living broker has not carried out",
      withDeletions(even, new Map([["x", { name: "gone", brokers: [9, 2], timestampMs: 0 }]])),
      "topic gone is being deleted",
    ],
  ])("%s", (_, state, told) => {
    expect(troubleOf(state)).toContain(told);
  });

  test("a deletion that waits only for a broker that is away is none", () => {
    expect(troubleOf(withDeletions(even, new Map([["x", { name: "gone", brokers: [9], timestampMs: 0 }]])))).toBeNull();
  });
});

describe("new-brokers", () => {
  test("gives a broker with nothing on it its share, and preferred leaderships, and the others nothing", () => {
    const { state, groups } = settle(withFourth, newBrokers);
    expect(countsIn(state)).toEqual({ copies: [3, 3, 3, 3], leaders: expect.arrayContaining([1, 2]) });
    expect(countsIn(state).leaders[3]).toBeGreaterThan(0);
    expect(groups).toBeGreaterThan(0);
  });

  test("goes on where another controller left off, and only for a broker that is known to be filled", () => {
    const first = nextMoves(withFourth, newBrokers, nothingUnderWay);
    expect(first.filling).toEqual(new Set([4]));
    const half = moved(withFourth, first.moves.slice(0, 2));
    expect(nextMoves(half, newBrokers, nothingUnderWay).moves).toEqual([]);
    const { state, underWay } = settle(half, newBrokers, { ...nothingUnderWay, filling: new Set([4]) });
    expect(countsIn(state).copies).toEqual([3, 3, 3, 3]);
    expect(underWay.filling.size).toBe(0);
  });

  test("leaves brokers that are uneven among themselves as they are", () => {
    const state = clusterOf([1, 2, 3], topic("t", [[1, 2], [1, 2], [1, 2], [1, 3], [2, 3], [1, 3]])); // biome-ignore format: the assignment
    expect(nextMoves(state, newBrokers, nothingUnderWay).moves).toEqual([]);
    expect(nextMoves(state, full, nothingUnderWay).moves).not.toEqual([]);
  });

  test("does not fill a broker again that was drained", () => {
    const drained = { ...newBrokers, excludedBrokers: new Set([4]) };
    expect(nextMoves(withFourth, drained, nothingUnderWay).moves).toEqual([]);
    expect(nextMoves(withFourth, { ...drained, mode: "full" }, nothingUnderWay).moves).toEqual([]);
  });
});

describe("full", () => {
  test("does nothing below the threshold, and once it has begun goes on until the brokers are even", () => {
    // means of 20: 22 is as far away as may be, 23 is not
    const uneven = (count: number) =>
      clusterOf(
        [1, 2, 3],
        topic(
          "t",
          Array.from({ length: 60 }, (_, at) => [at < count ? 1 : at % 2 === 0 ? 2 : 3]),
        ),
      );
    expect(nextMoves(uneven(21), full, nothingUnderWay).moves).toEqual([]);
    expect(nextMoves(uneven(23), full, nothingUnderWay).moves).not.toEqual([]);
    expect(countsIn(settle(uneven(23), { ...full, partitionsAtOnce: 1 }).state)).toEqual({ copies: [20, 20, 20], leaders: [20, 20, 20] });
  });

  test("makes preferred leaders even where the copies are", () => {
    const state = clusterOf(
      [1, 2, 3],
      topic(
        "t",
        Array.from({ length: 9 }, () => [1, 2, 3]),
      ),
    );
    const { state: after } = settle(state, full);
    expect(countsIn(after)).toEqual({ copies: [9, 9, 9], leaders: [3, 3, 3] });
  });

  test("neither fills nor empties a broker that is left out", () => {
    const state = clusterOf(
      [1, 2, 3, 4],
      topic(
        "t",
        Array.from({ length: 9 }, (_, at) => [at < 2 ? 4 : 1]),
      ),
    );
    const { state: after } = settle(state, { ...full, excludedBrokers: new Set([4]) });
    const { copies } = countsIn(after);
    expect(copies.slice(0, 3).toSorted()).toEqual([2, 2, 3]);
    expect(copies[3]).toBe(2);
  });

  test("does not look again at what cannot be better, until something is different", () => {
    // two copies on every broker but the third, which has no partition that it could share
    const state = clusterOf([1, 2, 3, 4], topic("t", [[1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3]])); // biome-ignore format: the assignment
    const settled = settle(state, full);
    const again = nextMoves(settled.state, full, settled.underWay);
    expect(again.settled).toBe(settled.underWay.settled);
    expect(nextMoves(withTopics(settled.state, [topic("u", [[1], [1], [1], [1]])]), full, again).moves).not.toEqual([]);
  });
});

describe("of any cluster in which all is well", () => {
  const clusters = fc
    .tuple(fc.integer({ min: 1, max: 6 }), fc.constantFrom<readonly (string | null)[]>([null], ["a", "b"], ["a", "b", "c"]))
    .chain(([count, racks]) => {
      const ids = Array.from({ length: count }, (_, at) => at + 1);
      const replicas = fc.shuffledSubarray(ids, { minLength: 1, maxLength: Math.min(3, count) });
      const excluded = fc.subarray(ids, { maxLength: count > 3 ? 1 : 0 });
      return fc
        .tuple(fc.array(fc.array(replicas, { minLength: 1, maxLength: 12 }), { maxLength: 3 }), excluded)
        .map(([topics, excluded]) => {
          const brokers = new Map(ids.map((id) => [id, broker(id, racks[id % racks.length]!)]));
          const all = topics.map((assignment, at) => topic(`t${at}`, assignment));
          return { state: withTopics(withBrokers(emptyState, brokers, new Map()), all), excluded: new Set(excluded) };
        });
    });
  const modes = fc.constantFrom("new-brokers" as const, "full" as const);

  test("it comes to an end, from which a controller that knows nothing of it begins nothing", () => {
    fc.assert(
      fc.property(clusters, modes, fc.integer({ min: 1, max: 4 }), ({ state, excluded }, mode, partitionsAtOnce) => {
        const settings = { ...off, mode, partitionsAtOnce, excludedBrokers: excluded };
        const { state: after, underWay } = settle(state, settings);
        expect(nextMoves(after, settings, underWay).moves).toEqual([]);
        expect(nextMoves(after, settings, nothingUnderWay).moves).toEqual([]);
        for (const [name, { partitions }] of after.topics)
          for (const { partition, replicas } of partitions) {
            const before = state.topics.get(name)!.partitions[partition]!.replicas;
            expect(replicas.length).toBe(before.length);
            expect(new Set(replicas).size).toBe(replicas.length);
            // where a broker that is left out is concerned, nothing moves
            for (const id of excluded) expect(replicas.includes(id)).toBe(before.includes(id));
          }
      }),
      { seed, numRuns: runs },
    );
  });

  test("moves are taken back by no later ones: a partition does not come back to where it was", () => {
    fc.assert(
      fc.property(clusters, ({ state }) => {
        const settings = { ...full, partitionsAtOnce: 2 };
        const seen = new Map<string, Set<string>>();
        let [now, underWay]: [ControllerState, BalanceUnderWay] = [state, nothingUnderWay];
        for (;;) {
          const { moves, ...next } = nextMoves(now, settings, underWay);
          if (moves.length === 0) return;
          for (const { topic, partition, from, to } of moves) {
            const key = `${topic}-${partition}`;
            const were = seen.get(key) ?? new Set([from.toSorted().join()]);
            if (from.toSorted().join() !== to.toSorted().join()) expect(were.has(to.toSorted().join())).toBe(false);
            seen.set(key, were.add(to.toSorted().join()));
          }
          now = moved(now, moves);
          underWay = next;
        }
      }),
      { seed, numRuns: runs },
    );
  });
});
