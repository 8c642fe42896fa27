import { expect, test } from "vitest";
import { RefreshPace } from "../../../client/metadata/refresh-pace.ts";

const settings = { retryBackoffMs: 100, retryBackoffMaxMs: 1_000 };

/** When requests begin, while something waits for as long as this. */
function begun(pace: RefreshPace, fromMs: number, untilMs: number): number[] {
  const atMs: number[] = [];
  for (let nowMs = fromMs; nowMs < untilMs; nowMs += Math.max(pace.gapMs(nowMs), 1)) {
    pace.begins(nowMs);
    atMs.push(nowMs);
  }
  return atMs;
}

test("the first request waits for nothing, the next ones for a fifth of what has passed, within 50 and 500 ms", () => {
  const atMs = begun(new RefreshPace(settings), 10_000, 30_000);
  expect(atMs.slice(0, 3)).toEqual([10_000, 10_050, 10_100]);
  for (const [i, at] of atMs.entries()) {
    const gapMs = (atMs[i + 1] ?? at + 500) - at;
    expect(gapMs).toBeCloseTo(Math.min(Math.max((at - 10_000) / 5, 50), 500));
  }
  expect(atMs.filter((at) => at < 11_000).length).toBeLessThanOrEqual(15);
  expect(atMs.filter((at) => at >= 20_000).length).toBe(20);
});

test("after a calm second it is quick again; flapping costs seven requests a second at most", () => {
  const pace = new RefreshPace(settings);
  const last = begun(pace, 0, 5_000).at(-1)!;
  expect(pace.gapMs(last + 999)).toBe(500);
  expect(pace.gapMs(last + 1_000)).toBe(0);
  let requests = 0;
  const rounds = 20;
  for (let round = 0, fromMs = 10_000; round < rounds; round++, fromMs += 2_000) requests += begun(pace, fromMs, fromMs + 1_000).length;
  expect(requests / (rounds * 2)).toBeLessThanOrEqual(7.5);
});

test("the client's own bounds on pauses hold where they are lower", () => {
  const atMs = begun(new RefreshPace({ retryBackoffMs: 20, retryBackoffMaxMs: 200 }), 0, 5_000);
  expect(atMs.slice(0, 2)).toEqual([0, 20]);
  expect(atMs.at(-1)! - atMs.at(-2)!).toBe(200);
});
