import { describe, expect, test } from "vitest";
import { longestGap, percentile } from "../../chaos/failover/gaps.ts";
import { allFaults } from "../../chaos/faults/all.ts";
import type { PlannedRound } from "../../chaos/faults/fault.ts";
import { scheduleOf } from "../../chaos/faults/schedule.ts";

const sessionTimeoutMs = 18_000;

function first(count: number, seed: number): PlannedRound[] {
  const schedule = scheduleOf(seed, allFaults, sessionTimeoutMs);
  return Array.from({ length: count }, () => schedule.next().value);
}

describe("a schedule", () => {
  test("is the same for the same seed, and another for another", () => {
    expect(first(100, 7)).toEqual(first(100, 7));
    expect(first(100, 7)).not.toEqual(first(100, 8));
  });

  test("has every kind once before it has one twice", () => {
    const kinds = first(allFaults.length, 3).map(({ faults }) => faults[0]?.kind);
    expect(new Set(kinds)).toEqual(new Set(allFaults.map(({ name }) => name)));
  });

  test("has two at once now and then, of different families, and none that is to be alone", () => {
    const known = (name: string) => allFaults.find((kind) => kind.name === name);
    const doubles = first(500, 9).filter(({ faults }) => faults.length > 1);
    expect(doubles.length).toBeGreaterThan(50);
    for (const { faults } of doubles) {
      const [a, b] = faults.map(({ kind }) => known(kind));
      expect(a?.family).not.toBe(b?.family);
      expect(a?.isAlone || b?.isAlone).toBeFalsy();
    }
  });

  test("keeps to what the kinds allow", () => {
    for (const { kind, durationMs, picks } of first(500, 5).flatMap(({ faults }) => faults)) {
      const known = allFaults.find(({ name }) => name === kind);
      const [least, most] = known?.durationMs ?? [0, 0];
      const isLong = durationMs > sessionTimeoutMs && durationMs <= sessionTimeoutMs + 5_000;
      expect((durationMs >= least && durationMs <= most) || (isLong && known?.mayOutlastSession)).toBeTruthy();
      for (const pick of picks) expect(pick >= 0 && pick < 1).toBe(true);
    }
  });
});

test("kinds of faults have different names", () => {
  expect(new Set(allFaults.map(({ name }) => name)).size).toBe(allFaults.length);
});

describe("the longest gap between acknowledgements", () => {
  test("counts from the last one before the fault", () => {
    expect(longestGap([10, 20, 90, 100], 50, 200)).toBe(70);
  });

  test("leaves out what ended before, or came after", () => {
    expect(longestGap([0, 40, 45, 50, 300], 44, 100)).toBe(5);
  });

  test("is none where nothing was acknowledged", () => {
    expect(longestGap([10, 20], 50, 200)).toBeNull();
  });
});

test("percentiles are of the values themselves", () => {
  expect([0.5, 0.99, 1].map((share) => percentile([4, 1, 3, 2], share))).toEqual([2, 4, 4]);
  expect(percentile([], 0.5)).toBeNaN();
});
