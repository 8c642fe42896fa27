import { expect, test } from "vitest";
import { controlledShutdown } from "../../../broker/cluster/controlled-shutdown.ts";
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
