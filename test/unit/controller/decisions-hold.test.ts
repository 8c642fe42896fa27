import fc from "fast-check";
import { expect, test } from "vitest";
import { type ControllerState, emptyState, offlineKey, type TopicState } from "../../../broker/controller/controller-state.ts";
import { assertDecision, electAnyone, firstState, leave, prefer, repair } from "../../../broker/controller/elections.ts";
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
    fc.property(stateArbitrary, recordArbitrary, ids, (state, record, leaving) => {
      for (const decide of [repair(() => false), repair(() => true), prefer, electAnyone, leave(leaving)]) {
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
