import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allowance, newBudget, portionAtMs, refilled, spent } from "../../../broker/replication/byte-budget.ts";

describe("a budget", () => {
  test("gives a tenth of a window at a time, as soon as it is there", () => {
    const empty = newBudget(1000, 1000, 0);
    expect([allowance(empty), portionAtMs(empty)]).toEqual([0, 100]);
    expect(allowance(refilled(empty, 1000, 99))).toBe(0);
    expect(allowance(refilled(empty, 1000, 100))).toBe(100);
    expect(allowance(refilled(empty, 1000, 900))).toBe(100);
  });

  test("gives less of it at a time at high rates", () => {
    expect(allowance(refilled(newBudget(2_000_000, 1000, 0), 2_000_000, 900))).toBe(200_000);
    expect(allowance(refilled(newBudget(4_000_000, 1000, 0), 4_000_000, 900))).toBe(262_144);
    expect(allowance(refilled(newBudget(40_000_000, 1000, 0), 40_000_000, 900))).toBe(1_000_000);
  });

  test("pays its debts first, and saves up no more than one window", () => {
    const indebted = spent(newBudget(1000, 1000, 0), 500);
    expect(portionAtMs(indebted)).toBe(600);
    expect(refilled(indebted, 1000, 60_000).bytes).toBe(1000);
  });

  test("earns at the rate that was, and goes on at the one that is", () => {
    const slow = refilled(newBudget(1000, 1000, 0), 5000, 400);
    expect(slow.bytes).toBe(400);
    expect(refilled(slow, 5000, 500).bytes).toBe(900);
    expect(refilled(slow, 100, 400).bytes, "no room for more").toBe(100);
  });

  test("of rate 0 never gives anything, and clocks that stand still or go back earn nothing", () => {
    const none = newBudget(0, 1000, 0);
    expect([allowance(refilled(none, 0, 1e9)), portionAtMs(none)]).toEqual([0, Number.POSITIVE_INFINITY]);
    const budget = newBudget(1000, 1000, 500);
    expect(refilled(budget, 1000, 100)).toEqual(budget);
  });

  const step = fc.record({ waitMs: fc.integer({ min: 0, max: 3000 }), wanted: fc.integer({ min: 1, max: 10_000_000 }) });
  const rate = fc.integer({ min: 1, max: 100_000_000 });

  test("never lets through more than the rate allows in any time, a window and an answer aside", () => {
    fc.assert(
      fc.property(rate, fc.array(step, { minLength: 1, maxLength: 60 }), (bytesPerSecond, steps) => {
        let budget = newBudget(bytesPerSecond, 1000, 0);
        let nowMs = 0;
        const sent: { atMs: number; bytes: number }[] = [];
        for (const { waitMs, wanted } of steps) {
          nowMs += waitMs;
          budget = refilled(budget, bytesPerSecond, nowMs);
          const bytes = Math.min(wanted, allowance(budget));
          budget = spent(budget, bytes);
          sent.push({ atMs: nowMs, bytes });
        }
        for (let from = 0; from < sent.length; from++) {
          let bytes = 0;
          for (let to = from; to < sent.length; to++) {
            bytes += sent[to]!.bytes;
            const seconds = (sent[to]!.atMs - sent[from]!.atMs) / 1000;
            expect(bytes).toBeLessThanOrEqual(bytesPerSecond * (seconds + 1) + 1);
          }
        }
      }),
    );
  });

  test("lets through all that the rate allows to whoever asks again when a portion is there, whatever the answers' sizes", () => {
    const overshoot = fc.integer({ min: 0, max: 1_000_000 });
    fc.assert(
      fc.property(rate, fc.array(overshoot, { minLength: 1, maxLength: 60 }), (bytesPerSecond, overshoots) => {
        let budget = newBudget(bytesPerSecond, 1000, 0);
        let sent = 0;
        for (const more of overshoots) {
          // rounding may leave a little missing
          for (let asked = 0; allowance(budget) === 0; asked++) {
            expect(asked).toBeLessThan(3);
            budget = refilled(budget, bytesPerSecond, portionAtMs(budget));
          }
          const bytes = allowance(budget);
          expect(bytes).toBeGreaterThan(0);
          // a batch is sent whole
          budget = spent(budget, bytes + more);
          sent += bytes + more;
        }
        const last = portionAtMs(budget) / 1000;
        expect(sent / (bytesPerSecond * last)).toBeGreaterThan(0.8 - 1 / overshoots.length);
        expect(sent).toBeLessThanOrEqual(bytesPerSecond * last + 1);
      }),
    );
  });
});
