import fc from "fast-check";
import { expect, test } from "vitest";
import { allLines, formatLines, LineSelector, linesLeft, parseLines } from "../../../cli/produce/line-selection.ts";

test("lines are written as ranges, and read back the same", () => {
  const ranges = parseLines("7, 20-25,31-");
  expect(ranges).toEqual([
    { from: 7, to: 7 },
    { from: 20, to: 25 },
    { from: 31, to: Number.POSITIVE_INFINITY },
  ]);
  expect(formatLines(ranges ?? [])).toBe("7,20-25,31-");
});

test.each(["", "0-", "a", "5-3", "3,2", "1-,5", "1-4,4", "-3", "1.5"])("%j is no list of lines", (text) => {
  expect(parseLines(text)).toBeNull();
});

test("whatever fails and wherever it stops: a first run and those after it send every line once", () => {
  const run = fc.record({ stopAfter: fc.integer({ min: 1, max: 20 }), fails: fc.array(fc.boolean(), { maxLength: 20 }) });
  fc.assert(
    fc.property(fc.array(run, { maxLength: 6 }), (runs) => {
      const stored: number[] = [];
      let left = allLines;
      for (const { stopAfter, fails } of [...runs, { stopAfter: Infinity, fails: [] }]) {
        const selector = new LineSelector(parseLines(formatLines(left)) ?? []);
        const failed: number[] = [];
        let line = 0;
        for (let sent = 0; sent < stopAfter && line < 60; ) {
          line++;
          if (!selector.has(line)) continue;
          (fails[sent++] ? failed : stored).push(line);
        }
        left = linesLeft(left, line, failed);
      }
      expect(stored.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    }),
  );
});
