import { expect, test } from "vitest";
import { Latencies } from "../../bench/load/latencies.ts";

test("latencies are told by percentile and by how rare they are, no rarer than there are records", () => {
  const latencies = new Latencies();
  for (let ms = 1; ms <= 1000; ms++) latencies.add(ms);
  const { count, p50, p99, max, byRarity } = latencies.report();
  expect(count).toBe(1000);
  for (const [found, expected] of [
    [p50, 500],
    [p99, 990],
    [max, 1000],
  ] as const)
    expect(Math.abs(found - expected) / expected, `${found}`).toBeLessThan(0.002);
  expect(byRarity.map(([rarity]) => rarity)).toEqual([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]);
  expect(byRarity.every(([, ms], index) => index === 0 || ms >= (byRarity[index - 1]?.[1] ?? 0))).toBe(true);
});

test("none at all is no failure", () => {
  expect(new Latencies().report().count).toBe(0);
});
