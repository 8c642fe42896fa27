import { expect, test } from "vitest";
import type { DiskOperation } from "../support/memory-files.ts";
import { logDirectories } from "./sim-broker.ts";
import { partitions, sessionTimeoutMs, topic, World } from "./world.ts";

/** Errors in a broker's log are expected here. */
async function running(): Promise<{ readonly world: World; readonly must: (what: string, condition: () => boolean) => Promise<void> }> {
  const world = new World(23, null);
  world.trace.onError = null;
  const must = async (what: string, condition: () => boolean) => {
    if (!(await world.until(condition, 60_000))) throw new Error(`${what}: ${[...world.violations, ...world.trace.latest].join("\n")}`);
  };
  for (const broker of world.brokers) broker.start();
  await must("start", () => world.brokers.every(({ isReady }) => isReady));
  let isReading = false;
  const setUp = world.workload.createTopic({ "min.insync.replicas": "2" }).then(() => world.workload.startConsuming());
  void setUp.then(() => {
    isReading = true;
  });
  await must("topic", () => isReading && world.isConverged);
  return { world, must };
}

const faults: Readonly<Record<string, (operation: DiskOperation) => string | null>> = {
  "a full disk": ({ kind }) => (kind === "write" ? "ENOSPC" : null),
  "an I/O error in a segment": ({ kind, path }) => (kind === "write" && path.endsWith(".log") ? "EIO" : null),
  "a checkpoint that cannot be renamed": ({ kind, path }) => (kind === "rename" && path.includes("checkpoint") ? "EIO" : null),
};

test.each(Object.entries(faults))(
  "%s in all directories under a leader moves what it led to the others at once, and nothing is lost",
  async (_name, fault) => {
    const { world, must } = await running();
    const { workload, checker, observer, brokers, clock } = world;
    const leader = brokers.find(({ id }) => id === observer.state(0)?.leader)!;
    const { disk } = leader;
    const sound = disk.fault;
    disk.fault = fault;
    for (let number = 0; number < 20; number++) void workload.send(`s${number}:`, number % partitions);
    await must("the failed broker is gone", () => !leader.isReady);
    const failedAtMs = clock.nowMs;
    await must("another leads", () => observer.state(0)!.leader > 0 && observer.state(0)!.leader !== leader.id);
    expect(clock.nowMs - failedAtMs).toBeLessThan(sessionTimeoutMs / 3);
    await must("the records are taken", () => workload.isSettled);
    expect(workload.sends.map(({ state }) => state)).toEqual(workload.sends.map(() => "acknowledged"));
    disk.fault = sound;
    leader.supervise();
    await must("it is back", () => world.isConverged && checker.areAlike());
    await must("reading", () => workload.sends.every(({ partition, offset }) => checker.consumedEnd(partition) > offset));
    checker.finish(workload.sends);
    expect(world.violations).toEqual([]);
  },
);

test.each(Object.entries<(operation: DiskOperation) => string | null>({ ...faults, "a disk that is gone": () => "EIO" }))(
  "%s in one directory of a leader: within a second another leads what lay there, the broker goes on with the rest, and nothing is lost",
  async (_name, fault) => {
    const { world, must } = await running();
    const { workload, checker, observer, brokers, clock } = world;
    const failing = brokers.find(({ id }) => id === observer.state(0)?.leader)!;
    await must("the logs are there", () => [0, 1].every((partition) => failing.folderOf(`${topic}-${partition}`) !== null));
    const directory = logDirectories.find((one) => failing.folderOf(`${topic}-0`)?.startsWith(one))!;
    const other = logDirectories.find((one) => failing.folderOf(`${topic}-1`)?.startsWith(one))!;
    expect(directory).not.toBe(other);
    failing.failDisk((operation) => (operation.path.startsWith(`${directory}/`) ? fault(operation) : null));
    const failedAtMs = clock.nowMs;
    const errors: string[] = [];
    world.trace.onError = (what) => errors.push(what);
    for (let number = 0; number < 20; number++) void workload.send(`s${number}:`, number % partitions);
    await must(
      "another leads",
      () => ![-1, failing.id].includes(observer.state(0)!.leader) && !observer.state(0)!.isr.includes(failing.id),
    );
    expect(clock.nowMs - failedAtMs).toBeLessThan(1_000);
    await must("the records are taken", () => workload.sends.length === 20 && workload.isSettled);
    expect(workload.sends.map(({ state }) => state)).toEqual(workload.sends.map(() => "acknowledged"));
    expect(failing.isReady).toBe(true);
    expect(observer.state(1)!.isr).toHaveLength(3);
    const told = errors.filter((error) => error.includes(`log directory ${directory} is offline`));
    expect(told).toEqual([expect.stringContaining(`then restart broker ${failing.id}`)]);

    // a restart does not help before somebody has repaired it, and does no harm
    failing.crash("kill");
    failing.start();
    await must("it is back without that directory", () => failing.isReady && observer.state(1)!.isr.length === 3);
    void workload.send("more:", 0);
    await must("the next record is taken", () => workload.isSettled);
    failing.failDisk(null);
    failing.crash("kill");
    failing.supervise();
    await must("it is whole again", () => world.isConverged && checker.areAlike());
    await must("reading", () => workload.sends.every(({ partition, offset }) => checker.consumedEnd(partition) > offset));
    checker.finish(workload.sends);
    expect(world.violations).toEqual([]);
  },
);

test("one of two disks is replaced by an empty one: what lay there is copied from the others, also when this broker comes back first", async () => {
  const { world, must } = await running();
  const { workload, checker, brokers, clock } = world;
  for (let number = 0; number < 20; number++) void workload.send(`s${number}:`, number % partitions);
  await must("the records are taken", () => workload.sends.length === 20 && workload.isSettled);
  for (const broker of brokers) broker.crash("kill");
  const [replaced] = brokers;
  replaced!.disk.remove(logDirectories[0]);
  replaced!.start();
  const aloneUntilMs = clock.nowMs + 20_000;
  await must("it is alone for a while", () => clock.nowMs >= aloneUntilMs);
  for (const broker of brokers) broker.start();
  await must("all are back", () => world.isConverged && checker.areAlike());
  await must("reading", () => workload.sends.every(({ partition, offset }) => checker.consumedEnd(partition) > offset));
  checker.finish(workload.sends);
  expect(world.violations).toEqual([]);
});
