import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { nodeClock } from "../../../protocol/node/node-clock.ts";

const timeoutMaxMs = 2 ** 31 - 1;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("a delay that no timer of Node's can have is waited out all the same, and can be cancelled on the way", () => {
  const fired: string[] = [];
  nodeClock.schedule(timeoutMaxMs + 5000, () => fired.push("long"));
  nodeClock.schedule(10, () => fired.push("short"));
  nodeClock.schedule(Number.MAX_SAFE_INTEGER, () => fired.push("never"));
  const cancelled = nodeClock.schedule(timeoutMaxMs + 4000, () => fired.push("cancelled"));
  vi.advanceTimersByTime(timeoutMaxMs + 1);
  expect(fired).toEqual(["short"]);
  cancelled.cancel();
  vi.advanceTimersByTime(5000);
  expect(fired).toEqual(["short", "long"]);
});
