import { expect, test } from "vitest";
import { lineChartFile } from "../../bench/report/charts.ts";
import { curvesOf } from "../../bench/report/lines.ts";
import type { Report } from "../../bench/report/report.ts";
import { chartFileStyle } from "../../bench/report/style.ts";

const line = (label: string, color: number) => ({
  label,
  color,
  dash: 0,
  points: [
    [1, 10],
    [1000, 5],
  ] as const,
});

test("a chart as a file has what a page would give it: its names, its style, its legend, and every tag is closed", () => {
  const lines = [line("ottla", 0), line("a & b", 1)];
  const file = lineChartFile("produced <1 KiB>", { lines, xLabel: "partitions", yLabel: "records/s", xAxis: "log" }, chartFileStyle);
  expect(file).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
  for (const text of ["produced &lt;1 KiB&gt;", ">ottla<", "a &amp; b", "partitions", "records/s", "--series-1"])
    expect(file).toContain(text);
  const open: string[] = [];
  for (const [, slash, name, , selfClosed] of file.matchAll(/<(\/?)([a-z]+)((?:"[^"]*"|[^">])*?)(\/?)>/g)) {
    if (slash === "/") expect(open.pop()).toBe(name);
    else if (selfClosed !== "/") open.push(name!);
  }
  expect(open).toEqual([]);
});

test("a curve goes from left to right, in whatever order its scenarios were measured", () => {
  const scenarios = [3, 1, 2].map((x) => ({ name: `brokers/${x}`, curve: { name: "brokers", xLabel: "brokers", x } }));
  const rows = scenarios.map(({ name, curve }) => ({
    scenario: name,
    figure: "produced",
    unit: "records/s",
    better: "higher" as const,
    bySystem: new Map([["ottla", { median: 100 * curve.x, lowest: 0, highest: 0, count: 1 }]]),
  }));
  const [curve] = curvesOf({ scenarios, systems: [{ name: "ottla" }] } as unknown as Report, rows);
  expect(curve?.chart.lines[0]?.points).toEqual([
    [1, 100],
    [2, 200],
    [3, 300],
  ]);
});
