import { expect, test } from "vitest";
import { partitions, World } from "./world.ts";

/**
 * The power of the whole machine room fails. Kafka's promise does not cover what was on no disk yet, but the cluster must come back whole
 * and consistent.
 */
async function played(seed: number): Promise<void> {
  const world = new World(seed, null);
  const { brokers, workload, checker } = world;
  const must = async (what: string, condition: () => boolean) => {
    world.violations.length = 0;
    if (!(await world.until(condition, 60_000))) throw new Error(`${what}: ${[...world.violations, ...world.trace.latest].join("\n")}`);
  };
  for (const broker of brokers) broker.start();
  await must("start", () => brokers.every(({ isReady }) => isReady));
  void workload.createTopic({ "min.insync.replicas": "1" });
  await must("topic", () => world.isConverged);
  for (let number = 0; number < 40; number++) void workload.send(`s${number}:`, number % partitions);
  await must("records", () => workload.sends.length === 40 && workload.isSettled);
  const checkpointedMs = world.clock.nowMs + 6000;
  await must("a checkpoint", () => world.clock.nowMs > checkpointedMs);
  world.trace.onError = null;
  for (const broker of brokers) world.losePower(broker, "power");
  for (const broker of brokers) broker.supervise();
  // acknowledged records that are lost here would be a violation elsewhere
  checker.look = () => {};
  checker.lookAtMembers = () => {};
  await must("whole and alike", () => world.isConverged && checker.areAlike());
}

test.each(Array.from({ length: 12 }, (_, index) => index + 1))(
  "seed %i: after a power failure of all brokers the cluster becomes whole",
  async (seed) => {
    await expect(played(seed)).resolves.toBeUndefined();
  },
);
