import fc from "fast-check";
import { expect, test } from "vitest";
import { type ControllerState, emptyState, offlineKey, type TopicState } from "../../../broker/controller/controller-state.ts";
import { assertDecision, electAnyone, firstState, leave, prefer, repair } from "../../../broker/controller/elections.ts";
import { complete, leadByWanted, originOf, reassign } from "../../../broker/controller/reassignment.ts";
import { isComplete, targetOf } from "../../../broker/runtime/reassignment-rules.ts";
import type { PartitionRecord } from "../../../protocol/peer/messages.ts";

const ids = fc.integer({ min: 0, max: 5 });
const epochs = fc.integer({ min: -1, max: 300 });
const byBroker = <T>(values: fc.Arbitrary<T>) => fc.dictionary(ids.map(String), values);

/** As another tool might write it: any leader, any set, also none, members twice, and members outside of the assignment. */
const recordArbitrary: fc.Arbitrary<PartitionRecord> = fc.record({
  partition: fc.constant(0),
  leader: fc.integer({ min: -1, max: 6 }),
  leaderEpoch: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constant(2 ** 31 - 2)),
  isr: fc.array(ids, { maxLength: 6 }),
  isrEpochs: byBroker(epochs),
  replicas: fc.uniqueArray(ids, { maxLength: 5 }),
  stateVersion: fc.nat(),
  leaderRecovering: fc.boolean(),
});

const reassignedArbitrary: fc.Arbitrary<PartitionRecord> = fc
  .record({ record: recordArbitrary, adding: fc.uniqueArray(ids, { maxLength: 3 }), removing: fc.uniqueArray(ids, { maxLength: 3 }) })
  .map(({ record, adding, removing }) =>
    adding.length + removing.length === 0 ? record : { ...record, reassignment: { adding, removing } },
  );

const stateArbitrary: fc.Arbitrary<ControllerState> = fc
  .record({
    living: byBroker(epochs),
    recovered: byBroker(epochs),
    leaving: fc.uniqueArray(ids),
    suspects: fc.uniqueArray(ids),
    offline: fc.uniqueArray(ids),
  })
  .map(({ living, recovered, leaving, suspects, offline }) => ({
    ...emptyState,
    brokers: new Map(
      Object.entries(living).map(([id, epoch]) => [
        Number(id),
        { id: Number(id), epoch, rack: null, endpoints: [], peer: { host: "h", port: 1 } },
      ]),
    ),
    recoveredEpochs: new Map(Object.entries(recovered).map(([id, epoch]) => [Number(id), epoch])),
    shuttingDown: new Set(leaving),
    suspects: new Set(suspects),
    offlineReplicas: new Map(
      offline.map((id) => [
        id,
        { sequence: 0, replicas: new Map([[offlineKey("t-id", 0), { topicId: "t-id", partition: 0, reason: "disk" }]]) },
      ]),
    ),
  }));

const topicOf = (partitions: readonly PartitionRecord[]): TopicState => ({ name: "t", id: "t-id", version: 0, partitions, config: {} });

test("whatever is in the coordinator, and whichever brokers live: a decision breaks no invariant", () => {
  let decided = 0;
  fc.assert(
    fc.property(stateArbitrary, reassignedArbitrary, ids, fc.uniqueArray(ids, { minLength: 1 }), (state, record, leaving, target) => {
      const elections = [repair(() => false), repair(() => true), prefer, electAnyone, leave(leaving)];
      for (const decide of [...elections, reassign(target), reassign(null), leadByWanted, complete]) {
        const next = decide(state, topicOf([record]), record);
        if (next === null) continue;
        decided++;
        assertDecision(record, next);
      }
    }),
    { numRuns: 2_000 },
  );
  expect(decided).toBeGreaterThan(1_000);
});

test("whatever a partition is moved to, and however often: it ends there, and a return ends where it began", () => {
  const target = fc.uniqueArray(ids, { minLength: 1 });
  fc.assert(
    fc.property(stateArbitrary, recordArbitrary, fc.array(fc.option(target), { maxLength: 4 }), target, (state, record, before, last) => {
      const origin = originOf(record);
      const decide = (known: PartitionRecord, replicas: readonly number[] | null) =>
        reassign(replicas)(state, topicOf([known]), known) ?? known;
      let moving = record;
      for (const replicas of before) {
        moving = decide(moving, replicas);
        if (moving.reassignment === undefined) return;
        expect(new Set(originOf(moving))).toEqual(new Set(origin));
      }
      for (const [asked, wanted] of [
        [last, last],
        [null, origin],
      ] as const) {
        // biome-ignore format: pairs
        const next = decide(moving, asked);
        expect(new Set(targetOf(next))).toEqual(new Set(wanted));
        if (asked !== null) expect(targetOf(next)).toEqual(asked);
        const there = { ...next, leader: wanted[0] ?? -1, isr: wanted };
        if (next.reassignment !== undefined && wanted.length > 0) expect(isComplete(there)).toBe(true);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("of the brokers that have a log to delete the last sixteen are remembered", () => {
  let record: PartitionRecord = {
    partition: 0,
    leader: 1,
    leaderEpoch: 0,
    isr: [1],
    isrEpochs: {},
    replicas: [1],
    stateVersion: 0,
    leaderRecovering: false,
  };
  // each is given up out of sync, and goes at once
  for (let id = 2; id <= 22; id++) record = reassign([1, id])(emptyState, topicOf([record]), record)!;
  expect(record.replicas).toEqual([1, 22]);
  expect(record.removed).toEqual(Array.from({ length: 16 }, (_, index) => 6 + index));
});

test("whichever brokers live: a first state has its leader in sync, and nobody outside of the assignment", () => {
  fc.assert(
    fc.property(stateArbitrary, fc.uniqueArray(ids, { minLength: 1, maxLength: 5 }), (state, replicas) => {
      const { leader, isr } = firstState(state, topicOf([]), 0, replicas);
      expect(isr.length).toBeGreaterThan(0);
      expect(leader === -1 || isr.includes(leader)).toBe(true);
      expect(isr.every((id) => replicas.includes(id))).toBe(true);
    }),
  );
});
