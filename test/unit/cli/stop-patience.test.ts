import { expect, test } from "vitest";
import { StopPatience } from "../../../cli/up/stop-patience.ts";

test("a broker that says nothing is killed after the grace", () => {
  const patience = new StopPatience(3500, 1000);
  expect([patience.isOver(4500), patience.isOver(4501)]).toEqual([false, true]);
});

test("one that closes logs is waited for, however long it takes", () => {
  const patience = new StopPatience(3500, 0);
  for (let nowMs = 500, left = 1000; left > 0; nowMs += 500) {
    // a large file is flushed now and then: that takes its time
    if (nowMs % 20_000 === 0) left--;
    patience.heard(left, nowMs);
    expect(patience.isOver(nowMs + 3500)).toBe(false);
  }
});

test("one that says the same for a minute hangs", () => {
  const patience = new StopPatience(3500, 0);
  for (let nowMs = 500; nowMs <= 60_000; nowMs += 500) {
    patience.heard(7, nowMs);
    expect(patience.isOver(nowMs)).toBe(false);
  }
  patience.heard(7, 60_500);
  expect(patience.isOver(60_501)).toBe(true);
  patience.heard(6, 60_600);
  expect(patience.isOver(61_000)).toBe(false);
});
