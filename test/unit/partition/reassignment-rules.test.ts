import { describe, expect, test } from "vitest";
import { advance, isAtRest, type LeaderEvent, type LeaderState, proposal, startLeading } from "../../../broker/partition/leader-state.ts";
import { isComplete, isReplaced, isReturn, targetOf } from "../../../broker/runtime/reassignment-rules.ts";

/** Broker 1 leads with 2; 3 and 4 are added, 2 is removed. */
const moving = { replicas: [1, 3, 4, 2], reassignment: { adding: [3, 4], removing: [2] } };
/** 3 was being added to 1 and 2, and is given up. */
const returning = { replicas: [1, 2, 3], reassignment: { adding: [3], removing: [3] } };
const alive = () => true;

describe("the rules", () => {
  test("what is wanted is what is not being removed", () => {
    expect(targetOf(moving)).toEqual([1, 3, 4]);
    expect(targetOf(returning)).toEqual([1, 2]);
    expect(targetOf({ replicas: [1, 2] })).toEqual([1, 2]);
  });

  test("a return is what only gives up what it was adding", () => {
    expect([moving, returning, { replicas: [1, 2], reassignment: { adding: [], removing: [2] } }].map(isReturn)).toEqual([
      false,
      true,
      false,
    ]);
    expect(isReturn({ replicas: [1, 4, 2, 3], reassignment: { adding: [4, 3], removing: [2, 3] } })).toBe(false);
  });

  test("those to be removed are needed until all others are in sync; a return does not wait for the dead", () => {
    expect(isReplaced(moving, new Set([1, 2, 3]), alive)).toBe(false);
    expect(isReplaced(moving, new Set([1, 2, 3]), (id) => id !== 4)).toBe(false);
    expect(isReplaced(moving, new Set([1, 2, 3, 4]), alive)).toBe(true);
    expect(isReplaced(returning, new Set([1, 3]), alive)).toBe(false);
    expect(isReplaced(returning, new Set([1, 3]), (id) => id !== 2)).toBe(true);
  });

  test("where another tool removes all replicas, every one is needed", () => {
    expect(isReplaced({ replicas: [1, 2], reassignment: { adding: [], removing: [1, 2] } }, new Set([1, 2]), alive)).toBe(false);
  });

  test("it is complete when nobody who is removed leads or is in sync, and all others are", () => {
    const cases = [
      { leader: 1, isr: [1, 3, 4] },
      { leader: 1, isr: [1, 3] },
      { leader: 1, isr: [1, 2, 3, 4] },
      { leader: 2, isr: [2] },
      { leader: -1, isr: [1, 3, 4] },
    ];
    expect(cases.map((state) => isComplete({ ...moving, ...state }))).toEqual([true, false, false, false, false]);
    expect(isComplete({ ...returning, leader: 1, isr: [1] })).toBe(true);
    expect(isComplete({ ...returning, leader: 3, isr: [3] })).toBe(false);
  });
});

describe("a leader under reassignment", () => {
  const start = { self: 1, epoch: 5, stateVersion: 7, logEndOffset: 10, writtenEndOffset: 10, highWatermark: 10, lagMaxMs: 1000 };
  const lead = (assignment: object, isr: readonly number[], more: object = {}): LeaderState =>
    startLeading({
      ...start,
      ...{ replicas: [], isr, isrEpochs: Object.fromEntries(isr.map((id) => [id, 1])), suspectLagMs: 300, nowMs: 0 },
      ...assignment,
      ...more,
    });
  const fetched = (state: LeaderState, from: number, fetchOffset = 10, nowMs = 1) =>
    advance(state, { kind: "follower-fetched", from, brokerEpoch: 1, registeredEpoch: 1, fetchOffset, nowMs });
  const tick = (more: Partial<LeaderEvent & { kind: "tick" }> = {}): LeaderEvent => ({
    kind: "tick",
    nowMs: 2,
    isAlive: alive,
    isSuspected: () => false,
    isSilent: () => false,
    ...more,
  });
  const proposed = (state: LeaderState) => proposal(state)?.isr ?? null;

  test("takes out who is removed when all others are in sync and have fetched from it", () => {
    let state = lead(moving, [1, 2, 3, 4]);
    expect(proposed(advance(state, tick()))).toBeNull();
    state = fetched(fetched(state, 2), 3);
    expect(proposed(advance(state, tick()))).toBeNull();
    state = fetched(state, 4);
    expect(isAtRest(state)).toBe(false);
    expect(proposed(advance(state, tick()))).toEqual([1, 3, 4]);
  });

  test("does not while one that is to stay may be gone", () => {
    const state = fetched(fetched(fetched(lead(moving, [1, 2, 3, 4]), 2), 3), 4);
    expect(proposed(advance(state, tick({ isSuspected: (id) => id === 4 })))).toBeNull();
    expect(proposed(advance(state, tick({ isAlive: (id) => id !== 4 })))).toEqual([1, 3, 2]);
  });

  test("does not take itself out, nor anyone before it hands over", () => {
    const assignment = { replicas: [3, 4, 1, 2], reassignment: { adding: [3, 4], removing: [1, 2] } };
    const state = fetched(fetched(fetched(lead(assignment, [1, 2, 3, 4]), 2), 3), 4);
    expect(proposed(advance(state, tick()))).toBeNull();
    expect(isAtRest(state)).toBe(true);
  });

  test("takes back who is removed while others are missing, and not after", () => {
    expect(proposed(fetched(lead(moving, [1, 3]), 2))).toEqual([1, 3, 2]);
    expect(proposed(fetched(lead(moving, [1, 3, 4]), 2))).toBeNull();
    expect(proposed(fetched(lead(returning, [1]), 3))).toBeNull();
    expect(proposed(fetched(lead(returning, [1]), 2))).toEqual([1, 2]);
  });

  test("gives up an added replica when the original ones that live are in sync", () => {
    const state = fetched(lead(returning, [1, 3]), 3);
    expect(proposed(advance(state, tick()))).toBeNull();
    expect(proposed(advance(state, tick({ isAlive: (id) => id !== 2 })))).toEqual([1]);
  });
});
