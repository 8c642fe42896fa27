import { describe, expect, test } from "vitest";
import { othersGoOn, serviceReturns } from "../../chaos/checks/service.ts";
import type { Event } from "../../chaos/history/events.ts";
import { evidence, fault, write } from "./made-up.ts";

test("service that does not return", () => {
  expect(serviceReturns(evidence([fault("begins", 1), fault("ends", 2), fault("served", 3), fault("whole", 4)]))).toEqual([]);
  expect(serviceReturns(evidence([fault("not served", 3)]))).toMatchObject([
    { what: "round 1, kill (broker-1): every partition served was not reached within 500 ms of its end" },
  ]);
  expect(serviceReturns(evidence([fault("not whole", 3)]))).toHaveLength(1);
});

describe("a fault without whose victim the others can go on", () => {
  const begins = { ...fault("begins", 1_000), targets: [], silenceMaxMs: 300 };
  const round = [begins, fault("ends", 2_000), fault("served", 2_100), fault("whole", 2_500)];
  /** The steady writer's, acknowledged every 100 ms from 10 on, but not between two moments. */
  const writes = (partition: number, silence: readonly [from: number, to: number]): Event[] =>
    Array.from({ length: 30 }, (_, seq) => ({ ...write("w", seq, seq), partition })).filter(({ at }) => at < silence[0] || at > silence[1]);
  const never = [0, 0] as const;

  test("does not keep any partition waiting", () => {
    expect(othersGoOn(evidence([...round, ...writes(0, [1_100, 1_300]), ...writes(1, never)]))).toEqual([]);
  });

  test("keeps one waiting, whoever led it", () => {
    const events = [...writes(0, never), ...writes(1, [1_100, 1_950]), ...round];
    expect(othersGoOn(evidence(events))).toMatchObject([
      { what: "round 1, kill (broker-1): orders-1 acknowledged nothing for 1000 ms, 300 are allowed", from: 1_010, to: 2_010 },
    ]);
  });

  test("keeps one waiting, which had acknowledged nothing since before it", () => {
    expect(othersGoOn(evidence([...round, ...writes(0, [800, 1_150])]))).toMatchObject([{ from: 710, to: 1_210 }]);
  });

  test("ends, and one never serves again, or never did", () => {
    const unserved = [begins, fault("ends", 2_000), fault("not served", 2_500), fault("not whole", 2_900)];
    expect(othersGoOn(evidence([...unserved, ...writes(0, [1_100, 9_000])]))).toMatchObject([{ from: 1_010, to: 2_900 }]);
    expect(othersGoOn(evidence([...unserved, { ...write("w", 0, null, "unknown"), at: 5_000 }]))).toMatchObject([
      { from: 1_000, to: 2_900 },
    ]);
  });

  test("is not asked for what came before it or after it, or what others write", () => {
    const others = writes(0, [1_100, 1_950]).map((event) => ({ ...event, writer: "seldom" }));
    expect(othersGoOn(evidence([...round, ...writes(0, [200, 800]), ...writes(1, [2_400, 2_950]), ...others]))).toEqual([]);
  });

  test("but such a silence is no complaint where the others cannot go on, or two faults coincide", () => {
    const unbound = [fault("begins", 1_000), ...round.slice(1)];
    expect(othersGoOn(evidence([...unbound, ...writes(0, [1_100, 1_950])]))).toEqual([]);
  });
});
