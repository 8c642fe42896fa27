import { expect, test } from "vitest";
import { unsuspecting } from "./plan.ts";
import type { SimBroker } from "./sim-broker.ts";
import { readStoredLog } from "./stored-log.ts";
import { partitions, topic, World } from "./world.ts";

/** A cluster with 40 records; `play` then does to it what the test is about, and leaves all its brokers running. */
async function played(
  seed: number,
  play: (world: World) => Promise<void>,
  minInsyncReplicas = 2,
  settings: Readonly<Record<string, string>> = {},
): Promise<readonly string[]> {
  const world = new World(seed, null, settings);
  const { brokers, workload, checker } = world;
  const must = async (what: string, condition: () => boolean) => {
    if (!(await world.until(condition, 60_000))) throw new Error(`${what}: ${[...world.violations, ...world.trace.latest].join("\n")}`);
  };
  for (const broker of brokers) broker.start();
  await must("start", () => brokers.every(({ isReady }) => isReady));
  void workload.createTopic({ "min.insync.replicas": `${minInsyncReplicas}` }).then(() => workload.startConsuming());
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

/**
 * KIP-903, told by the code: the leader decides to add a follower to the ISR again. Before its write is carried out the follower loses its
 * power, and with it records that were committed without it. It registers again, and the controller has nothing to remove it from. The
 * write is carried out. The leader dies before anyone has noticed.
 */
test.each([41, 42, 43, 44, 45])(
  "a follower that a late write puts into the in-sync set for an earlier life is not elected (seed %i)",
  async (seed) => {
    const violations = await played(seed, playLateWrite, 1, unsuspecting);
    expect(violations).toStrictEqual([]);
  },
);

async function playLateWrite(world: World): Promise<void> {
  const { brokers, network, observer, workload } = world;
  const controller = brokers.find(({ id }) => id === observer.controllerId);
  const partition = [0, 1].find((each) => observer.state(each)?.leader !== controller?.id) ?? 0;
  const isr = () => observer.state(partition)?.isr ?? [];
  const leader = brokers.find(({ id }) => id === observer.state(partition)?.leader);
  const follower = brokers.find((broker) => broker !== controller && broker !== leader);
  if (controller === undefined || leader === undefined || follower === undefined) throw new Error("three brokers were expected");
  const must = async (what: string, condition: () => boolean, limitMs: number, lookEveryMs?: number) => {
    if (!(await world.until(condition, limitMs, lookEveryMs)))
      throw new Error(`${what}: ${[...world.violations, ...world.trace.latest].join("\n")}`);
  };
  for (const other of [controller, follower]) network.cut(leader.host, other.host);
  for (let number = 40; number < 80; number++) void workload.send(`s${number}:`, partition);
  await must("the leader is alone", () => isr().length === 1, 10_000);
  await must("records that only the leader has", () => workload.isSettled, 10_000);
  // 1. it decides, and its write is on the way
  network.heal(leader.host, follower.host);
  const stored = (broker: SimBroker) => {
    const folder = broker.folderOf(`${topic}-${partition}`);
    return folder === null ? 0 : (readStoredLog(broker.disk, folder)?.records.length ?? 0);
  };
  await must("the follower has them as well", () => stored(follower) === stored(leader), 10_000);
  leader.cutCoordinator();
  await world.until(() => false, 100);
  // 2. the follower's next life
  world.losePower(follower, "power-silent");
  network.cut(leader.host, follower.host);
  follower.start();
  await must("the follower is back", () => follower.isReady, 1_500);
  expect(isr()).toStrictEqual([leader.id]);
  // 3. the write arrives
  let looks = 0;
  await must(
    "the late write",
    () => {
      if (++looks === 3) leader.healCoordinator();
      return isr().includes(follower.id);
    },
    1_000,
    Number.POSITIVE_INFINITY,
  );
  world.distrust(follower);
  // 4. the leader dies
  leader.coordinator?.expireSession();
  leader.crash("kill");
  await must("its death is noticed", () => observer.state(partition)?.leader !== leader.id, 5_000);
  await world.until(() => false, 5_000);
  expect(observer.state(partition)).toMatchObject({ leader: -1, isr: [leader.id] });
  network.healAll();
  leader.start();
}
