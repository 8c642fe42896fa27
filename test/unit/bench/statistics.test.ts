import { describe, expect, test } from "vitest";
import type { Result } from "../../bench/conduct.ts";
import { ratioTo, summarize } from "../../bench/report/summary.ts";
import { isSteady, median, spreadOf } from "../../bench/statistics.ts";

describe("medians and spreads", () => {
  test("the median is the middle one, or half-way between the two middle ones, whatever the order", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([10, 1, 4, 2])).toBe(3);
    expect(median([])).toBeNaN();
  });

  test("a spread has the lowest and the highest round", () => {
    expect(spreadOf([30, 10, 20])).toEqual({ median: 20, lowest: 10, highest: 30, count: 3 });
  });

  test("a rate is steady when the last three windows are within 10 % of their mean", () => {
    expect(isSteady([100, 100]), "two windows say nothing").toBe(false);
    expect(isSteady([10, 50, 95, 100, 105])).toBe(true);
    expect(isSteady([100, 80, 100])).toBe(false);
  });

  test("figures of all rounds come together by scenario, figure and system", () => {
    const rows = summarize([result("ottla", 1, 10), result("kafka", 1, 4), result("ottla", 2, 30), result("kafka", 2, 6)]);
    expect(rows).toHaveLength(1);
    expect(rows[0]?.bySystem.get("ottla")).toEqual({ median: 20, lowest: 10, highest: 30, count: 2 });
    expect(ratioTo(rows[0]!, "ottla", "kafka")).toBe(4);
    expect(ratioTo(rows[0]!, "ottla", "absent")).toBeNull();
  });

  test("figures of one scenario stand together, even those that only a later system has", () => {
    const rows = summarize([result("ottla", 1, 10), result("ottla", 1, 5, "idle"), result("kafka", 1, 3, "produce", "latency")]);
    expect(rows.map(({ scenario, figure }) => `${scenario} ${figure}`)).toEqual(["produce produced", "produce latency", "idle produced"]);
  });
});

function result(system: string, round: number, value: number, scenario = "produce", name = "produced"): Result {
  const figures = [{ name, unit: "records/s", value, better: "higher" as const }];
  return { scenario, system, round, outcome: { figures }, failure: null };
}
