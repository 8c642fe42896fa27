import { expect, test } from "vitest";
import { lineChartFile } from "../../bench/report/charts.ts";
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
