import { expect, test } from "vitest";
import { dataDirectory, type SimBroker } from "./sim-broker.ts";
import { partitions, World } from "./world.ts";

async function stopped(seed: number, { reads = true } = {}) {
  const world = new World(seed, null);
  world.trace.onError = null;
  const { brokers, workload } = world;
  const must = async (what: string, condition: () => boolean, limitMs = 60_000) => {
    if (!(await world.until(condition, limitMs))) throw new Error(`${what}: ${[...world.violations, ...world.trace.latest].join("\n")}`);
  };
  for (const broker of brokers) broker.start();
  await must("start", () => brokers.every(({ isReady }) => isReady));
  void workload.createTopic({ "min.insync.replicas": "2" }).then(() => (reads ? workload.startConsuming() : undefined));
  await must("topic", () => world.isConverged);
  for (let number = 0; number < 40; number++) void workload.send(`s${number}:`, number % partitions);
  await must("records", () => workload.sends.length === 40 && workload.isSettled);
  for (const broker of brokers) broker.crash("kill");
  return { world, must };
}

function replaceDisk({ disk }: SimBroker): void {
  disk.remove(dataDirectory);
}

test.each([1, 2, 3])(
  "broker %i comes back first and with an empty disk: it leads nothing, and gets everything from the others",
  async (id) => {
    const { world, must } = await stopped(31);
    const { brokers, workload, checker, clock } = world;
    const replaced = brokers.find((broker) => broker.id === id)!;
    replaceDisk(replaced);
    replaced.start();
    const aloneUntilMs = clock.nowMs + 20_000;
    await must("it is alone for a while", () => clock.nowMs >= aloneUntilMs);
    for (const broker of brokers) broker.start();
    await must("all are back", () => world.isConverged && checker.areAlike());
    await must("reading", () => workload.sends.every(({ partition, offset }) => checker.consumedEnd(partition) > offset));
    checker.finish(workload.sends);
    expect(world.violations).toEqual([]);
  },
);

test("when all disks were replaced the cluster comes back empty, not never", async () => {
  // who had read what is lost would be told so, as a failure
  const { world, must } = await stopped(32, { reads: false });
  const { brokers, checker, workload } = world;
  // what was acknowledged is lost, on purpose
  checker.look = () => {};
  checker.lookAtMembers = () => {};
  world.violations.length = 0;
  for (const broker of brokers) replaceDisk(broker);
  for (const broker of brokers) broker.supervise();
  await must("all are back", () => world.isConverged, 120_000);
  expect(workload.sends.length).toBe(40);
});
