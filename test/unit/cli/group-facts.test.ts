import { expect, test } from "vitest";
import { lagText, rebalanceText, totalLag } from "../../../cli/group/group-facts.ts";
import { formatTime } from "../../../cli/output/units.ts";

const textOf = (lags: readonly (number | null)[], isRebalancing = false) => {
  const partitions = lags.map((lag) => ({ lag }));
  return lagText(totalLag(partitions), partitions.length, isRebalancing);
};

test("a lag that is not known is not taken for none", () => {
  expect(textOf([0, 0])).toBe("lag 0");
  expect(textOf([1_000, 5, -3])).toBe("lag 1,005");
  expect(textOf([])).toBe("lag unknown");
  expect(textOf([null, null])).toBe("lag unknown");
  expect(textOf([7, null, null])).toBe("lag 7 (unknown in 2 of 3 partitions)");
  expect(textOf([7, 0], true)).toBe("lag 7 (where positions are committed)");
  expect(textOf([], true)).toBe("lag unknown");
});

const nowMs = 1_700_000_000_000;
const sinceMs = nowMs - 14_000;
const since = `since ${formatTime(sinceMs)} (14s)`;
const member = (memberId: string) => ({ memberId, groupInstanceId: null, clientId: "c", host: "/10.0.0.1", partitions: [] });

test("whom a rebalance waits for, and since when", () => {
  const group = { state: "PreparingRebalance", members: ["a", "b", "c", "d", "e", "f", "g"].map(member) };
  const text = (rebalance: Parameters<typeof rebalanceText>[0], state = group.state) =>
    rebalanceText(rebalance, { ...group, state }, nowMs);
  expect(text({ sinceMs, awaited: ["b"], newcomers: 0 })).toBe(`rebalancing ${since}, waiting for 1 of 7 members: b (/10.0.0.1)`);
  expect(text({ sinceMs, awaited: ["a", "b", "c", "d", "e", "f", "g"], newcomers: 1 })).toMatch(
    /waiting for 7 of 7 members: a \(\S+\), .*e \(\S+\) and 2 more; and for 1 client about to join$/,
  );
  expect(text({ sinceMs, awaited: [], newcomers: 0 })).toBe(`rebalancing ${since}, waiting for more members to join`);
  expect(text({ sinceMs, awaited: [], newcomers: 0 }, "CompletingRebalance")).toBe(`rebalancing ${since}`);
  expect(text({ sinceMs: null, awaited: ["\u001b[31m"], newcomers: 0 })).not.toContain("\u001b");
  expect(text({ sinceMs: null, awaited: null, newcomers: 0 })).toBe("rebalancing; these brokers do not tell who is waited for");
});
