import { expect, test } from "vitest";
import { advance, type LeaderState, startLeading } from "../../../broker/partition/leader-state.ts";
import { nearestReplica } from "../../../broker/partition/read-replica.ts";

/** Broker 1 leads 1, 2, 3, 4; in sync are 1, 2, 3. `ends` of the others, as they have fetched, one after the other. */
function led(ends: Readonly<Record<number, number>>): LeaderState {
  let state = startLeading({
    ...{ self: 1, epoch: 5, replicas: [1, 2, 3, 4], isr: [1, 2, 3], isrEpochs: {}, stateVersion: 0 },
    ...{ logEndOffset: 100, writtenEndOffset: 100, highWatermark: 50, lagMaxMs: 1000, suspectLagMs: 1000, nowMs: 0 },
  });
  let nowMs = 0;
  for (const [id, fetchOffset] of Object.entries(ends)) {
    const from = { from: Number(id), brokerEpoch: 7, registeredEpoch: 7 };
    state = advance(state, { kind: "follower-fetched", ...from, fetchOffset, nowMs: ++nowMs });
  }
  return state;
}

const fromStart = () => 0;
const nearest = (state: LeaderState, near: number[], offset: number, startOf: (id: number) => number | undefined = fromStart) =>
  nearestReplica(state, near, offset, startOf);

test("an in-sync follower close by that has the offset", () => {
  const state = led({ 2: 80, 3: 90 });
  expect(nearest(state, [2], 80)).toBe(2);
  expect(nearest(state, [2], 0)).toBe(2);
  expect(nearest(state, [2], 81)).toBeNull();
  expect(nearest(state, [], 10)).toBeNull();
  expect(nearest(state, [9], 10)).toBeNull();
});

test("not one whose log begins later, or that has not said where it does", () => {
  const state = led({ 2: 80 });
  expect(nearest(state, [2], 20, () => 20)).toBe(2);
  expect(nearest(state, [2], 19, () => 20)).toBeNull();
  expect(nearest(state, [2], 20, () => undefined)).toBeNull();
});

test("not one that has not fetched in this epoch, is out of sync, or is about to leave", () => {
  expect(nearest(led({}), [2], 0)).toBeNull();
  expect(nearest(led({ 4: 100 }), [4], 0)).toBeNull();
  const leaving = { ...led({ 2: 80 }), change: { kind: "shrinking", leaving: new Set([2]) } } as const;
  expect(nearest(leaving, [2], 0)).toBeNull();
});

test("of several the one that has most, then the one that was caught up last, then the highest id, as in Kafka", () => {
  expect(nearest(led({ 2: 90, 3: 80 }), [2, 3], 10)).toBe(2);
  expect(nearest(led({ 3: 100, 2: 100 }), [2, 3], 10)).toBe(3); // both fetched at the same offset; 3 did so later
  expect(nearest(led({ 2: 80, 3: 80 }), [3, 2], 10)).toBe(3);
});
