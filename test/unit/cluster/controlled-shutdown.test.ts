import { expect, test } from "vitest";
import { controlledShutdown } from "../../../broker/cluster/controlled-shutdown.ts";
import type { ControllerRequester } from "../../../broker/cluster/controller-link.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { SimClock } from "../../sim/sim-clock.ts";

test("a broker that is not registered asks nobody and waits for nothing: there may be no ZooKeeper to come back", async () => {
  const clock = new SimClock();
  let asked = 0;
  const controller = {
    request: () => {
      asked++;
      return Promise.reject(new Error("nobody there"));
    },
  };
  const parts = {
    brokerId: 1,
    membership: { epoch: -1 },
    controller,
    clock: clock.forOwner("1"),
    log: silentLogger,
    retriesMax: 3,
    retryBackoffMs: 5000,
  };
  expect(await controlledShutdown(parts, { timeoutMs: 30_000 })).toBe(false);
  expect([asked, clock.nowMs]).toEqual([0, 0]);
});

/** Asks a controller that says in turn how many of one's partitions are still led, and that they may move later. */
function asking(remaining: (asked: number, nowMs: number) => number) {
  const clock = new SimClock();
  let asked = 0;
  const request = () => {
    const left = Array.from({ length: remaining(++asked, clock.nowMs) }, (_, partition) => ({ topic: "t", partition }));
    return Promise.resolve({ body: { error: "NONE", message: "", remaining: left, mayMoveLater: left.length > 0 }, payload: [] });
  };
  const controller = { request } as unknown as ControllerRequester;
  const identity = { brokerId: 1, membership: { epoch: 7 }, controller };
  const limits = { retriesMax: 3, retryBackoffMs: 5000 };
  const result = controlledShutdown({ ...identity, ...limits, clock: clock.forOwner("1"), log: silentLogger }, { timeoutMs: 30_000 });
  return { clock, result, asked: () => asked };
}

test("what cannot be moved yet is asked for again soon, not after the whole pause", async () => {
  const { clock, result } = asking((_, nowMs) => (nowMs < 600 ? 2 : 0));
  while (await clock.step());
  expect(await result).toBe(true);
  expect(clock.nowMs).toBeLessThan(1000);
});

test("what never can be moved is given up after three pauses, asked for a bounded number of times", async () => {
  const { clock, result, asked } = asking(() => 2);
  while (await clock.step());
  expect(await result).toBe(false);
  expect(clock.nowMs).toBeLessThan(16_000);
  expect(asked()).toBeGreaterThan(3);
  expect(asked()).toBeLessThan(80);
});
