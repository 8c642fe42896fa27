import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readPositions } from "../../../cli/group/position-lines.ts";
import {
  collectSelection,
  newPosition,
  type PartitionTarget,
  parseDatetime,
  resetTarget,
  targetIn,
} from "../../../cli/group/reset-target.ts";
import { parseDuration } from "../../../cli/output/durations.ts";

const range = { position: 40, startOffset: 10, endOffset: 100, atTime: null };

test.each<[string, PartitionTarget, Partial<typeof range> | { atTime: number }, number | null]>([
  ["earliest", { kind: "earliest" }, {}, 10],
  ["latest", { kind: "latest" }, {}, 100],
  ["an offset", { kind: "offset", offset: 77 }, {}, 77],
  ["an offset before the beginning", { kind: "offset", offset: 3 }, {}, 10],
  ["an offset behind the end", { kind: "offset", offset: 300 }, {}, 100],
  ["a time", { kind: "time", timestampMs: 5 }, { atTime: 33 }, 33],
  ["a time later than everything", { kind: "time", timestampMs: 5 }, { atTime: -1 }, 100],
  ["so long ago", { kind: "back", durationMs: 5 }, { atTime: 34 }, 34],
  ["on", { kind: "shift", records: 7 }, {}, 47],
  ["back", { kind: "shift", records: -7 }, {}, 33],
  ["back beyond the beginning", { kind: "shift", records: -70 }, {}, 10],
  ["on beyond the end", { kind: "shift", records: 70 }, {}, 100],
  ["from nowhere", { kind: "shift", records: 1 }, { position: -1 }, null],
])("a position goes to %s", (_name, target, more, expected) => {
  expect(newPosition(target, { ...range, ...more })).toBe(expected);
});

test("wherever it goes, it is in the log", () => {
  const target = fc.oneof(
    fc.record({ kind: fc.constant("offset" as const), offset: fc.nat() }),
    fc.record({ kind: fc.constant("shift" as const), records: fc.integer() }),
    fc.record({ kind: fc.constant("time" as const), timestampMs: fc.nat() }),
  );
  fc.assert(
    fc.property(
      target,
      fc.nat(1_000),
      fc.nat(1_000),
      fc.nat(3_000),
      fc.integer({ min: -1, max: 3_000 }),
      (to, startOffset, size, position, atTime) => {
        const moved = newPosition(to, { position, startOffset, endOffset: startOffset + size, atTime });
        expect(moved).toBeGreaterThanOrEqual(startOffset);
        expect(moved).toBeLessThanOrEqual(startOffset + size);
      },
    ),
  );
});

describe("what is typed", () => {
  test.each([
    ["90s", 90_000],
    ["15m", 900_000],
    ["2h", 7_200_000],
    ["7d", 604_800_000],
    ["1w", 604_800_000],
    ["P1DT2H30M", 95_400_000],
    ["PT0.5S", 500],
    ["P2W", 1_209_600_000],
  ])("%s is a duration", (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  test.each(["", "5", "h", "P", "PT", "P1H", "-1h", "1h30m"])("%o is none", (text) => {
    expect(() => parseDuration(text)).toThrow(/duration/);
  });

  test("times, with a zone, without one, and as a number", () => {
    expect(parseDatetime("2026-07-01T12:00:00Z")).toBe(Date.UTC(2026, 6, 1, 12));
    expect(parseDatetime("2026-07-01T12:00:00.250+02:00")).toBe(Date.UTC(2026, 6, 1, 10, 0, 0, 250));
    expect(parseDatetime("1000")).toBe(1_000);
    for (const text of ["yesterday", "2026-13-01T00:00:00Z", "12:00", "-5"]) expect(() => parseDatetime(text), text).toThrow(/time/);
  });

  test("topics with and without partitions", () => {
    expect(collectSelection("a.b:0,3,0", collectSelection("c", []))).toEqual([
      { topic: "c", partitions: null },
      { topic: "a.b", partitions: [0, 3] },
    ]);
    for (const text of ["", "a:", "a:x", "a:1,", "a b"]) expect(() => collectSelection(text, []), text).toThrow(/TOPIC/);
  });

  test("exactly one target", () => {
    expect(resetTarget({ shiftBy: -3 })).toEqual({ kind: "shift", records: -3 });
    expect(resetTarget({ toOffset: 0 })).toEqual({ kind: "offset", offset: 0 });
    expect(() => resetTarget({})).toThrow(/once/);
    expect(() => resetTarget({ toEarliest: true, toLatest: true })).toThrow(/once/);
  });
});

describe("positions in a file", () => {
  test("are a line each, as Kafka's tool, jq or a person writes them", () => {
    const { selections, offsets } = readPositions('orders,0,100\n\n# from yesterday\norders\t3\t250\r\n"a.b-c",1,0\n orders 1 , 7 \n', "f");
    expect(selections).toEqual([
      { topic: "orders", partitions: [0, 3, 1] },
      { topic: "a.b-c", partitions: [1] },
    ]);
    const target = { kind: "each", offsets } as const;
    expect(["orders-0", "orders-1", "orders-3", "a.b-c-1"].map((key) => targetIn(target, key))).toEqual(
      [100, 7, 250, 0].map((offset) => ({ kind: "offset", offset })),
    );
    expect(targetIn({ kind: "latest" }, "orders-0")).toEqual({ kind: "latest" });
  });

  test.each([
    ["", "f has no positions"],
    ["orders,0", "line 1 of f is no TOPIC,PARTITION,OFFSET: orders,0"],
    ["orders,0,1\norders,x,1", "line 2 of f is no"],
    ["orders,0,-1", "line 1 of f is no"],
    ["orders,0,9999999999999999", "line 1 of f is no"],
    ["orders,0,1\norders,0,2", "line 2 of f names orders-0 again"],
    ["TOPIC PARTITION CURRENT-OFFSET", "line 1 of f is no"],
  ])("%j is refused, with its line", (text, message) => {
    expect(() => readPositions(text, "f")).toThrow(message);
  });
});
