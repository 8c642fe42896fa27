import { expect, test } from "vitest";
import { CoordinatorUnavailable } from "../../coordinator-client/coordinator.ts";
import type { MemoryEnsemble } from "../../coordinator-client/memory-coordinator.ts";
import { partitions, topic, World } from "./world.ts";

type State = ReturnType<MemoryEnsemble["backup"]>;

const refused = "not joining: ";

/**
 * A cluster with 40 acknowledged records, whose coordinator's state `play` then replaces; in the end the newest state is back, and
 * everything is as it was.
 */
async function played(seed: number, play: (cluster: Cluster) => Promise<void>): Promise<void> {
  const world = new World(seed, null);
  const { brokers, workload, checker } = world;
  const said = new Set<number>();
  world.isExpectedError = (what) => {
    const broker = brokers.find(({ host }) => what.startsWith(`${host}#`));
    if (what.includes(refused) && broker !== undefined) said.add(broker.id);
    return what.includes(refused);
  };
  const must = async (what: string, condition: () => boolean) => {
    if (!(await world.until(condition, 60_000))) throw new Error(`${what}: ${[...world.violations, ...world.trace.latest].join("\n")}`);
  };
  for (const broker of brokers) broker.start();
  await must("start", () => brokers.every(({ isReady }) => isReady));
  void workload.createTopic({ "min.insync.replicas": "2" }).then(() => workload.startConsuming());
  await must("topic", () => world.isConverged);
  for (let number = 0; number < 40; number++) void workload.send(`s${number}:`, number % partitions);
  await must("records", () => workload.sends.length === 40 && workload.isSettled);
  const replace = (state?: State, { isRight } = { isRight: false }) => {
    world.ensemble.restore(state);
    world.observer.begin({ isRight });
  };
  await play({ world, must, replace, said });
  for (let number = 40; number < 60; number++) void workload.send(`s${number}:`, number % partitions);
  await must("convergence", () => workload.isSettled && world.isConverged && checker.areAlike());
  await must("reading", () => workload.sends.every(({ partition, offset }) => checker.consumedEnd(partition) > offset));
  checker.finish(workload.sends);
  expect(workload.sends.every(({ state }) => state === "acknowledged")).toBe(true);
  expect(world.violations).toStrictEqual([]);
}

interface Cluster {
  readonly world: World;
  readonly must: (what: string, condition: () => boolean) => Promise<void>;
  /** `isRight`: it is the newest state. */
  readonly replace: (state?: State, which?: { readonly isRight: boolean }) => void;
  /** Brokers that logged that they do not join. */
  readonly said: Set<number>;
}

/** Each broker's logs, by their folders' names; logs that were set aside or deleted have another name. */
function folders({ brokers }: World): (string | null)[] {
  return brokers.flatMap((broker) => Array.from({ length: partitions }, (_, partition) => broker.folderOf(`${topic}-${partition}`)));
}

test.each([61, 62])(
  "brokers do not join a coordinator that lost everything, nor touch their logs; with its state back they go on (seed %i)",
  async (seed) => {
    await played(seed, async ({ world, must, replace, said }) => {
      const before = folders(world);
      const backup = world.ensemble.backup();
      replace();
      await must("all of them say why", () => said.size === 3);
      await world.until(() => false, 60_000);
      expect(folders(world)).toStrictEqual(before);
      expect(world.ensemble.tree.paths()).toStrictEqual(["/"]);
      replace(backup, { isRight: true });
    });
  },
);

test.each([63, 64])("also those that are started meanwhile wait for it (seed %i)", async (seed) => {
  await played(seed, async ({ world, must, replace, said }) => {
    const before = folders(world);
    const backup = world.ensemble.backup();
    replace();
    for (const broker of world.brokers) broker.crash("kill");
    for (const broker of world.brokers) broker.start();
    await must("all of them say why", () => said.size === 3);
    await world.until(() => false, 30_000);
    expect(world.brokers.map(({ isReady }) => isReady)).toStrictEqual([false, false, false]);
    expect(folders(world)).toStrictEqual(before);
    expect(world.ensemble.tree.paths()).toStrictEqual(["/"]);
    replace(backup, { isRight: true });
  });
});

test.each([65, 66])("brokers do not join a coordinator that went back behind its controller (seed %i)", async (seed) => {
  await played(seed, async ({ world, must, replace, said }) => {
    const older = world.ensemble.backup();
    const controller = world.brokers.find(({ id }) => id === world.observer.controllerId);
    controller?.coordinator?.expireSession();
    await must("another controller, known to all", () => world.isConverged && world.observer.controllerId !== -1);
    await world.until(() => false, 3_000);
    const before = folders(world);
    const newest = world.ensemble.backup();
    replace(older);
    await must("all of them say why", () => said.size === 3);
    await world.until(() => false, 20_000);
    expect(folders(world)).toStrictEqual(before);
    replace(newest, { isRight: true });
  });
});

test.each([67, 68])(
  "everything is deleted below them while their sessions live on: they lead no more, make nothing, and look again seldom (seed %i)",
  async (seed) => {
    await played(seed, async ({ world, must, replace, said }) => {
      const before = folders(world);
      const backup = world.ensemble.backup();
      const sessions = world.brokers.map(({ coordinator }) => coordinator?.sessionNumber);
      const empty = new World(0, null).ensemble.backup();
      replace({ ...empty, zxid: backup.zxid + 1, sessions: backup.sessions });
      await must("all of them say why", () => said.size === 3);
      const lines = world.trace.lines;
      await world.until(() => false, 60_000);
      expect(world.trace.lines - lines).toBeLessThan(60 * 150);
      expect(world.brokers.map(({ coordinator }) => coordinator?.sessionNumber)).toStrictEqual(sessions);
      expect(folders(world)).toStrictEqual(before);
      expect(world.ensemble.tree.paths()).toStrictEqual(["/"]);
      replace({ ...backup, zxid: backup.zxid + 100_000 }, { isRight: true });
    });
  },
);

test("a start asks again for whatever the coordinator does not tell at once", async () => {
  const world = new World(68, null);
  const [broker] = world.brokers;
  broker!.start();
  await world.until(() => broker!.coordinator !== null, 1_000);
  const coordinator = broker!.coordinator!;
  const asked = new Set<string>();
  const { read } = coordinator;
  coordinator.read = (path) => {
    if (asked.has(path)) return read.call(coordinator, path);
    asked.add(path);
    return Promise.reject(new CoordinatorUnavailable("no answer"));
  };
  expect(await world.until(() => broker!.isReady, 60_000)).toBe(true);
  expect([...asked]).toEqual(expect.arrayContaining(["/cluster/id", "/ottla/peer_secret"]));
  expect(broker!.owner, "in its first life").toBe(`${broker!.host}#1`);
  expect(world.violations).toStrictEqual([]);
});
