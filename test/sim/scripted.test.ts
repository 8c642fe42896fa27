import { expect, test } from "vitest";
import { partitions, World } from "./world.ts";

/** A cluster that has taken 40 records; `play` then does to it what the test is about, and leaves all its brokers running. */
async function played(seed: number, play: (world: World) => Promise<void>): Promise<readonly string[]> {
  const world = new World(seed, null);
  const { brokers, workload, checker } = world;
  const must = async (what: string, condition: () => boolean) => {
    if (!(await world.until(condition, 60_000))) throw new Error(`${what}: ${[...world.violations, ...world.trace.latest].join("\n")}`);
  };
  for (const broker of brokers) broker.start();
  await must("start", () => brokers.every(({ isReady }) => isReady));
  void workload.createTopic({ "min.insync.replicas": "2" }).then(() => workload.startConsuming());
  await must("topic", () => world.isConverged);
  for (let number = 0; number < 40; number++) void workload.send(`s${number}:`, number % partitions);
  await must("records", () => workload.sends.length === 40 && workload.isSettled);
  await play(world);
  await must("convergence", () => world.isConverged && checker.areAlike());
  await must("reading", () => workload.sends.every(({ partition, offset }) => checker.consumedEnd(partition) > offset));
  checker.finish(workload.sends);
  expect(workload.sends.every(({ state }) => state === "acknowledged")).toBe(true);
  return world.violations;
}

test.each([1, 2, 3])(
  "broker %i, that only lost its session, leads before those that may have lost records with their power",
  async (keeper) => {
    const violations = await played(17, async (world) => {
      const { brokers, ensemble } = world;
      ensemble.stop();
      await world.until(() => brokers.every(({ coordinator }) => coordinator?.state === "lost"), 10_000);
      for (const broker of brokers) if (broker.id !== keeper) world.losePower(broker, "power");
      for (const broker of brokers) broker.start();
      await world.until(() => false, 100);
      ensemble.start();
    });
    expect(violations).toStrictEqual([]);
  },
);

test.each([1, 2, 3])(
  "broker %i loses its power and is back before anyone noticed: it leads again only once it has all records",
  async (id) => {
    const violations = await played(18, async (world) => {
      const broker = world.brokers.find((each) => each.id === id);
      if (broker === undefined) throw new Error("no such broker");
      world.losePower(broker, "power-silent");
      await world.until(() => false, 5);
      broker.start();
      await world.until(() => broker.isReady, 10_000);
    });
    expect(violations).toStrictEqual([]);
  },
);

test.each([21, 22, 23])(
  "a broker that lost its session while nobody controlled stays in sync, and outlives the others' crashes (seed %i)",
  async (seed) => {
    const violations = await played(seed, async (world) => {
      const controller = world.brokers.find(({ id }) => id === world.observer.controllerId);
      const [whole, lossy] = world.brokers.filter((broker) => broker !== controller);
      if (controller === undefined || whole === undefined || lossy === undefined) throw new Error("three brokers were expected");
      controller.crash("kill");
      await world.until(() => false, 300);
      whole.coordinator?.expireSession();
      await world.until(() => false, 500);
      world.losePower(lossy, "power-silent");
      controller.start();
      await world.until(() => controller.isReady, 20_000);
      lossy.start();
    });
    expect(violations).toStrictEqual([]);
  },
);
