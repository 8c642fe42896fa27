import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nobodySuspected, type PeerView, type Reach, sameSuspects, suspectsOf } from "../../../broker/cluster/suspicion.ts";

const freshMs = 500;

type Other = readonly [reach: Reach, silentForMs: number];

/** The other brokers, from 2 on. */
function views(others: readonly Other[]): ReadonlyMap<number, PeerView> {
  return new Map(others.map(([reach, silentForMs], index) => [index + 2, { reach, isStuck: false, silentForMs }]));
}

const suspected = (...others: readonly Other[]) => [...suspectsOf(views(others), freshMs, null)];

describe("whom a broker may act against", () => {
  test("whoever is silent or gone, while it hears from a majority, itself included", () => {
    expect(suspected(["reached", 10], ["silent", 1_100])).toEqual([[3, "silent"]]);
    expect(suspected(["gone", 1], ["reached", 500])).toEqual([[2, "gone"]]);
    expect(suspected(["reached", 1], ["reached", 2], ["silent", 2_000], ["gone", 3])).toEqual([
      [4, "silent"],
      [5, "gone"],
    ]);
  });

  test("nobody, when half of them answer: the other half may think the same", () => {
    expect(suspected(["gone", 1])).toEqual([]);
    expect(suspected(["silent", 9_000])).toEqual([]);
    expect(suspected(["reached", 1], ["gone", 1], ["silent", 2_000])).toEqual([]);
    expect(suspected(["reached", 1], ["gone", 1], ["gone", 1], ["silent", 2_000])).toEqual([]);
  });

  test("nobody, when it is alone, or all are well", () => {
    expect(suspected()).toEqual([]);
    expect(suspected(["reached", 3], ["reached", 400])).toEqual([]);
  });

  test("nobody, when it is cut off from two at once, and had heard from one of them a little later", () => {
    // cut at 0; from 2 an answer came 200 ms before that, from 3 just before it
    for (let nowMs = 0; nowMs <= 1_500; nowMs += 10) {
      const seen = ([200, 0] as const).map((earlierMs) => {
        const silentForMs = nowMs + earlierMs;
        return [silentForMs > 1_000 ? "silent" : "reached", silentForMs] as const;
      });
      expect(suspected(...seen), `${nowMs} ms after the cut`).toEqual([]);
    }
  });

  test("nobody, without a majority that was heard from a moment ago: whatever else it knows", () => {
    const view = fc.record({
      reach: fc.constantFrom<Reach>("reached", "reached", "silent", "gone"),
      isStuck: fc.boolean(),
      silentForMs: fc.integer({ min: 0, max: 1_500 }),
    });
    let acted = 0;
    const own = fc.constantFrom(null, 1);
    fc.assert(
      fc.property(fc.array(view, { maxLength: 6 }), fc.integer({ min: 0, max: 1_000 }), own, (others, limitMs, stuck) => {
        const suspects = suspectsOf(new Map(others.map((other, index) => [index + 2, other])), limitMs, stuck);
        const heard = 1 + others.filter(({ reach, silentForMs }) => reach === "reached" && silentForMs <= limitMs).length;
        const mayAct = heard > (others.length + 1) / 2;
        const why = ({ reach, isStuck }: PeerView) => (reach === "reached" && isStuck ? "stuck" : reach);
        const among = others.flatMap((other, index) => (why(other) === "reached" ? [] : [[index + 2, why(other)]]));
        const unable = [...among, ...(stuck === null ? [] : [[stuck, "stuck"]])];
        expect([...suspects]).toEqual(mayAct ? unable : []);
        if (suspects.size > 0) acted++;
      }),
      { numRuns: 2_000 },
    );
    expect(acted).toBeGreaterThan(30);
  });
});

test("suspicions are the same only for the same brokers in the same way", () => {
  const one = new Map([[2, "gone"]] as const);
  expect(sameSuspects(one, new Map([[2, "gone"]] as const))).toBe(true);
  expect(sameSuspects(one, new Map([[2, "silent"]] as const))).toBe(false);
  expect(sameSuspects(one, new Map([[3, "gone"]] as const))).toBe(false);
  expect(sameSuspects(one, nobodySuspected)).toBe(false);
  expect(sameSuspects(nobodySuspected, one)).toBe(false);
});
