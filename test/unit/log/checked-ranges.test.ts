import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CheckedRanges } from "../../../broker/log/segment/checked-ranges.ts";

function remembering(rememberMs: number) {
  let nowMs = 5000;
  return {
    clock: { monotonicMs: () => nowMs },
    rememberMs,
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe("what was checked of a file", () => {
  test("is what was noted, however the pieces come, and no byte more", () => {
    const piece = fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 20 }));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const time = remembering(1000);
        const checked = new CheckedRanges(0);
        const model = new Set<number>();
        for (const [from, length] of pieces) {
          checked.note(from, from + length, time);
          for (let at = from; at < from + length; at++) model.add(at);
          for (let at = 0; at < 90; at++) {
            let reach = at;
            while (model.has(reach)) reach++;
            expect(checked.reachFrom(at, time), `from ${at}`).toBe(reach);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  test("counts for at least half of the time, and at most all of it", () => {
    const noted = fc.array(fc.tuple(fc.integer({ min: 1, max: 90 }), fc.nat(9)), { maxLength: 60 });
    fc.assert(
      fc.property(noted, (steps) => {
        const time = remembering(100);
        const checked = new CheckedRanges(0);
        const notedMs = new Map<number, number>();
        for (const [passesMs, byte] of steps) {
          time.pass(passesMs);
          for (const [at, sinceMs] of notedMs) {
            const ageMs = time.clock.monotonicMs() - sinceMs;
            const isKnown = checked.reachFrom(at, time) > at;
            if (ageMs < 50) expect(isKnown, `${at} after ${ageMs} ms`).toBe(true);
            if (ageMs >= 100) expect(isKnown, `${at} after ${ageMs} ms`).toBe(false);
          }
          checked.note(byte, byte + 1, time);
          notedMs.set(byte, time.clock.monotonicMs());
        }
      }),
      { numRuns: 200 },
    );
  });

  test("is nothing when nothing is to be remembered, and after it was forgotten", () => {
    const never = new CheckedRanges(0);
    never.note(0, 100, remembering(0));
    expect(never.reachFrom(0, remembering(0))).toBe(0);
    const time = remembering(1000);
    const checked = new CheckedRanges(40);
    checked.noteAppended(100, time);
    expect([checked.reachFrom(0, time), checked.reachFrom(40, time)], "what was there before was not written by us").toEqual([0, 100]);
    checked.forget();
    expect(checked.reachFrom(40, time)).toBe(40);
  });

  test("is bounded: of very many pieces some are checked again", () => {
    const time = remembering(1000);
    const checked = new CheckedRanges(0);
    for (let i = 0; i < 1000; i++) checked.note(i * 10, i * 10 + 5, time);
    let known = 0;
    for (let i = 0; i < 1000; i++) if (checked.reachFrom(i * 10, time) > i * 10) known++;
    expect(known).toBe(64);
  });
});
