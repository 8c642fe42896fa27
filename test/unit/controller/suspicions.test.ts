import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Reach } from "../../../broker/cluster/suspicion.ts";
import {
  canLead,
  emptyState,
  withBrokers,
  withOfflineReplicas,
  withShuttingDown,
  withSuspects,
  withTopic,
} from "../../../broker/controller/controller-state.ts";
import { assertDecision, prefer, repair, standingOf } from "../../../broker/controller/elections.ts";
import { calmMs, nextSuspicions, type Suspicion } from "../../../broker/controller/suspicions.ts";
import type { PartitionRecord } from "../../../protocol/peer/messages.ts";

const broker = (id: number, epoch: number) => ({ id, epoch, rack: null, endpoints: [], peer: { host: `b${id}`, port: 1 } });
const brokersOf = (registered: Readonly<Record<number, number>>) =>
  new Map(Object.entries(registered).map(([id, epoch]) => [Number(id), broker(Number(id), epoch)]));

describe("what a controller suspects", () => {
  const registered = { 1: 101, 2: 102, 3: 103 };
  /** The suspicions after these looks, by broker. */
  function suspectedAt(
    ...looks: readonly {
      atMs: number;
      suspects?: readonly number[];
      /** By broker, when it was last late. */
      late?: Record<number, number>;
      registered?: Record<number, number>;
      /** As the watch knows them. */
      watched?: Record<number, number>;
    }[]
  ) {
    let known: ReadonlyMap<number, Suspicion> = new Map();
    return looks.map(({ atMs, suspects = [], late = {}, registered: now = registered, watched = now }) => {
      const seen = new Map(suspects.map((id): [number, Exclude<Reach, "reached">] => [id, "silent"]));
      const epochs: Readonly<Record<number, number>> = watched;
      const lateAtMs = (id: number) => late[id] ?? Number.NEGATIVE_INFINITY;
      const watch = { suspects: seen, watchedEpoch: (id: number) => epochs[id] ?? null, lateAtMs };
      known = nextSuspicions(known, { watch, brokers: brokersOf(now), nowMs: atMs });
      return [...known.keys()];
    });
  }

  test("is what its watch suspects, and what has not been calm for long enough since", () => {
    expect(
      suspectedAt(
        { atMs: 5, suspects: [2] },
        { atMs: 900, suspects: [2, 3] },
        { atMs: 1_000 },
        { atMs: 899 + calmMs },
        { atMs: 900 + calmMs },
      ),
    ).toEqual([[2], [2, 3], [2, 3], [2, 3], []]);
  });

  test("is one suspicion of a link that comes and goes, until it stays", () => {
    const looks = Array.from({ length: 20 }, (_, at) => ({ atMs: (at * calmMs) / 3, suspects: at % 2 === 0 ? [2] : [] }));
    const lastMs = (18 * calmMs) / 3;
    const found = suspectedAt(...looks, { atMs: lastMs + calmMs - 1 }, { atMs: lastMs + calmMs });
    expect(found.map(([id]) => id)).toEqual([...Array(21).fill(2), undefined]);
  });

  test("goes on while it is silent now and then for longer than the timeout, though nobody is suspected for that any more", () => {
    const late = { 2: calmMs - 1, 3: calmMs - 1 };
    expect(
      suspectedAt({ atMs: 0, suspects: [2] }, { atMs: calmMs, late }, { atMs: 2 * calmMs - 2, late }, { atMs: 2 * calmMs - 1, late }),
    ).toEqual([[2], [2], [2], []]);
  });

  test("ends with the registration: a later one begins with none, unless it cannot be reached either", () => {
    const again = { ...registered, 2: 202 };
    expect(suspectedAt({ atMs: 0, suspects: [2] }, { atMs: 1, registered: { 1: 101, 3: 103 } }, { atMs: 2 })).toEqual([[2], [], []]);
    expect(suspectedAt({ atMs: 0, suspects: [2] }, { atMs: 1, registered: again })).toEqual([[2], []]);
    expect(suspectedAt({ atMs: 0, suspects: [2] }, { atMs: 1, suspects: [2], registered: again })).toEqual([[2], [2]]);
    const unheard = { registered: again, watched: registered };
    expect(suspectedAt({ atMs: 0, suspects: [2] }, { atMs: 1, suspects: [2], ...unheard }), "the watch means the former").toEqual([
      [2],
      [],
    ]);
    expect(suspectedAt({ atMs: 0, suspects: [2, 9] }), "nobody that is not registered").toEqual([[2]]);
  });
});

const record: PartitionRecord = {
  partition: 0,
  leader: 1,
  leaderEpoch: 5,
  isr: [1, 2, 3],
  isrEpochs: { 1: 101, 2: 102, 3: 103 },
  replicas: [1, 2, 3],
  stateVersion: 7,
  leaderRecovering: false,
};

interface Now {
  /** Registrations, by broker. */
  readonly registered: Readonly<Record<number, number>>;
  readonly suspects?: readonly number[];
  /** Registrations that began after an unclean stop. */
  readonly recovered?: Readonly<Record<number, number>>;
  readonly leaving?: readonly number[];
  readonly unclean?: boolean;
}

function repaired(
  { registered, suspects = [], recovered = {}, leaving = [], unclean = false }: Now,
  changed: Partial<PartitionRecord> = {},
) {
  const epochs = new Map(Object.entries(recovered).map(([id, epoch]) => [Number(id), epoch]));
  const topic = { name: "t", id: "t-id", version: 0, partitions: [{ ...record, ...changed }], config: {} };
  const living = withTopic(withShuttingDown(withBrokers(emptyState, brokersOf(registered), epochs), leaving), topic);
  const before = topic.partitions[0]!;
  const next = repair(() => unclean)(withSuspects(living, { suspects: new Set(suspects), unreached: new Set(suspects) }), topic, before);
  if (next !== null) assertDecision(before, next);
  return next;
}

describe("a partition whose leader is suspected", () => {
  const all = { 1: 101, 2: 102, 3: 103 };

  test("is led by the next in sync, under a raised epoch; the suspect stays in the set, for it may be well", () => {
    expect(repaired({ registered: all, suspects: [1] })).toEqual({ ...record, leader: 2, leaderEpoch: 6 });
    expect(repaired({ registered: all, suspects: [1, 2] })).toEqual({ ...record, leader: 3, leaderEpoch: 6 });
  });

  test("keeps its leader where nobody else may lead", () => {
    expect(repaired({ registered: all, suspects: [1, 2, 3] })).toBeNull();
    expect(repaired({ registered: all, suspects: [1] }, { isr: [1], isrEpochs: { 1: 101 } })).toBeNull();
    expect(repaired({ registered: all, suspects: [1], unclean: true }, { isr: [1], isrEpochs: { 1: 101 } }), "never unclean").toBeNull();
    expect(repaired({ registered: { 1: 101 }, suspects: [1] })).toBeNull();
    expect(repaired({ registered: all, suspects: [1], leaving: [2, 3] }), "those are about to stop").toBeNull();
  });

  test("is led by a member that lost only its session, not by one that may have lost records", () => {
    const again = { 1: 101, 2: 202, 3: 203 };
    expect(repaired({ registered: again, suspects: [1], recovered: { 2: 202 } })).toMatchObject({ leader: 3, isr: [1, 3] });
    const kept = repaired({ registered: again, suspects: [1], recovered: { 2: 202, 3: 203 } });
    expect(kept, "those only leave the set").toMatchObject({ leader: 1, leaderEpoch: 5, isr: [1] });
    expect(repaired({ registered: again, suspects: [1], recovered: { 2: 202, 3: 203 }, unclean: true })).toEqual(kept);
  });

  test("changes nothing where the suspect only follows", () => {
    expect(repaired({ registered: all, suspects: [2, 3] })).toBeNull();
  });
});

describe("a partition whose leader is dead", () => {
  test("is led by the suspect where nobody else is left", () => {
    expect(repaired({ registered: { 2: 102, 3: 103 }, suspects: [2] })).toMatchObject({ leader: 3, isr: [2, 3] });
    expect(repaired({ registered: { 2: 102 }, suspects: [2] })).toMatchObject({ leader: 2, leaderEpoch: 6, isr: [2] });
    const outside = repaired({ registered: { 2: 102, 3: 103 }, suspects: [2], unclean: true }, { isr: [1, 2] });
    expect(outside, "rather than by one outside of the set").toMatchObject({ leader: 2, isr: [2], leaderRecovering: false });
  });

  test("has no leader while the only one left is suspected and may have lost records", () => {
    const now = { registered: { 2: 202 }, recovered: { 2: 202 } };
    expect(repaired({ ...now, suspects: [2] })).toMatchObject({ leader: -1, leaderEpoch: 6 });
    expect(repaired(now)).toMatchObject({ leader: 2, leaderRecovering: true });
  });
});

test("a suspect does not lead again what it is preferred for", () => {
  const topic = { name: "t", id: "t-id", version: 0, partitions: [{ ...record, leader: 2 }], config: {} };
  const state = withTopic(withBrokers(emptyState, brokersOf({ 1: 101, 2: 102, 3: 103 }), new Map()), topic);
  expect(prefer(withSuspects(state, { suspects: new Set([1]), unreached: new Set([1]) }), topic, topic.partitions[0]!)).toBeNull();
  expect(prefer(state, topic, topic.partitions[0]!)).toMatchObject({ leader: 1, leaderEpoch: 6 });
});

test("whoever is suspected: a living leader is replaced exactly when it is and another can lead, by one that has everything", () => {
  const ids = [1, 2, 3, 4];
  const some = fc.subarray(ids);
  const few = fc.oneof(fc.constant<number[]>([]), some);
  const suspected = fc.oneof(fc.constant([1]), some);
  const lives = fc.record(Object.fromEntries(ids.map((id) => [id, fc.constantFrom("away", "same", "whole", "doubt")])));
  const counts = { moved: 0, kept: 0 };
  fc.assert(
    fc.property(
      lives,
      fc.record({ isr: some, suspects: suspected, leaving: few, offline: few, unclean: fc.boolean() }),
      (standings, { isr: others, suspects, leaving, offline, unclean }) => {
        const epochOf = (id: number) => (id === 1 || standings[id] === "same" ? 100 + id : 200 + id);
        const living = ids.filter((id) => id === 1 || standings[id] !== "away");
        const recovered = living.filter((id) => id !== 1 && standings[id] === "doubt").map((id) => [id, 200 + id] as const);
        const isr = [1, ...others.filter((id) => id !== 1)];
        const before = { ...record, replicas: ids, isr, isrEpochs: Object.fromEntries(isr.map((id) => [id, 100 + id])) };
        const topic = { name: "t", id: "t-id", version: 0, partitions: [before], config: {} };
        const registered = withBrokers(
          emptyState,
          brokersOf(Object.fromEntries(living.map((id) => [id, epochOf(id)]))),
          new Map(recovered),
        );
        const alive = (some: readonly number[]) => some.filter((id) => living.includes(id));
        const unreached = new Set(alive(suspects));
        let state = withSuspects(withShuttingDown(registered, alive(leaving)), { suspects: unreached, unreached });
        for (const id of alive(offline)) {
          if (id === 1) continue;
          const replicas = new Map([["t-id:0", { topicId: "t-id", partition: 0, reason: "disk" }]]);
          state = withOfflineReplicas(state, id, { sequence: 0, replicas });
        }
        const next = repair(() => unclean)(withTopic(state, topic), topic, before) ?? before;
        assertDecision(before, next);
        const able = isr.filter(
          (id) => id !== 1 && ["same-life", "whole"].includes(standingOf(state, before, id)) && canLead(state, "t-id", 0, id),
        );
        const moves = state.suspects.has(1) && able.length > 0;
        expect(next.leader !== 1).toBe(moves);
        expect(next.leaderEpoch).toBe(moves ? 6 : 5);
        expect(next.isr).toContain(1);
        expect(next.leaderRecovering).toBe(false);
        if (moves) expect(able).toContain(next.leader);
        counts[moves ? "moved" : "kept"]++;
      },
    ),
    { numRuns: 2_000 },
  );
  expect(counts.moved).toBeGreaterThan(100);
  expect(counts.kept).toBeGreaterThan(100);
});
