import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { barChart, lineChart } from "../../bench/report/charts.ts";
import { shortNumber, tickNumber } from "../../bench/report/numbers.ts";
import { linearScale, logScale } from "../../bench/report/scale.ts";

describe("a chart's scale", () => {
  test("is labelled at round numbers from end to end", () => {
    expect(linearScale(0, 17_566).ticks).toEqual([0, 5000, 10_000, 15_000, 20_000]);
    expect(linearScale(0, 0.3).ticks).toEqual([0, 0.1, 0.2, 0.3]);
    expect(logScale(3, 12_000).ticks).toEqual([1, 10, 100, 1000, 10_000, 100_000]);
  });

  test("has every value on it, in their order, and few labels", () => {
    const value = fc.integer({ min: -1e9, max: 1e9 }).map((thousandths) => thousandths / 1000);
    fc.assert(
      fc.property(value, value, (a, b) => {
        const [lowest, highest] = a < b ? [a, b] : [b, a];
        const scale = linearScale(lowest, highest);
        const [from, to] = [scale.at(lowest), scale.at(highest)];
        return from >= -1e-6 && to <= 1 + 1e-6 && from <= to && scale.ticks.length >= 2 && scale.ticks.length <= 10;
      }),
    );
  });

  test("goes by powers of ten where it is logarithmic", () => {
    const scale = logScale(1, 10_000);
    expect([1, 10, 100, 10_000].map(scale.at)).toEqual([0, 0.25, 0.5, 1]);
    expect(logScale(5, 5).ticks).toEqual([1, 10]);
  });
});

test("numbers have three digits that count", () => {
  expect([0, 0.0123, 1.234, 12.34, 123.4, 12_345.6].map(shortNumber)).toEqual(["0", "0.012", "1.23", "12.3", "123", "12,346"]);
  expect(shortNumber(Number.NaN)).toBe("-");
});

test("labels of an axis have no more digits than they need", () => {
  expect([0, 0.25, 10, 12_500].map(tickNumber)).toEqual(["0", "0.25", "10", "12,500"]);
});

test("names in charts cannot be markup", () => {
  const bars = barChart([{ label: "<b>&", color: 0, spread: { median: 1, lowest: 1, highest: 1, count: 1 } }]);
  expect(bars).toContain("&lt;b&gt;&amp;");
  const one = { color: 0, dash: 0, points: [[1, 2]] as const };
  const lines = lineChart({
    lines: [
      { label: "<i>", ...one },
      { label: "b", ...one },
    ],
    xLabel: "<x>",
    yLabel: "y",
    xAxis: "linear",
  });
  expect(lines).not.toMatch(/<i>|<x>/);
});

test("a chart without values is none", () => {
  expect(lineChart({ lines: [], xLabel: "x", yLabel: "y", xAxis: "log" })).toBe("");
});
