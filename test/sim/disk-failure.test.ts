import { expect, test } from "vitest";
import type { DiskOperation } from "../support/memory-files.ts";
import { sessionTimeoutMs, World } from "./world.ts";

/** Errors in a broker's log are expected here. */
async function running(): Promise<{ readonly world: World; readonly must: (what: string, condition: () => boolean) => Promise<void> }> {
  const world = new World(23, null);
  world.trace.onError = null;
  const must = async (what: string, condition: () => boolean) => {
    if (!(await world.until(condition, 60_000))) throw new Error(`${what}: ${[...world.violations, ...world.trace.latest].join("\n")}`);
  };
  for (const broker of world.brokers) broker.start();
  await must("start", () => world.brokers.every(({ isReady }) => isReady));
  void world.workload.createTopic({ "min.insync.replicas": "2" }).then(() => world.workload.startConsuming());
  await must("topic", () => world.isConverged);
  return { world, must };
}

const faults: Readonly<Record<string, (operation: DiskOperation) => string | null>> = {
  "a full disk": ({ kind }) => (kind === "write" ? "ENOSPC" : null),
  "an I/O error in a segment": ({ kind, path }) => (kind === "write" && path.endsWith(".log") ? "EIO" : null),
  "a checkpoint that cannot be renamed": ({ kind, path }) => (kind === "rename" && path.includes("checkpoint") ? "EIO" : null),
};

test.each(Object.entries(faults))(
  "%s under a leader moves what it led to the others at once, and nothing is lost",
  async (_name, fault) => {
    const { world, must } = await running();
    const { workload, checker, observer, brokers, clock } = world;
    const leader = brokers.find(({ id }) => id === observer.state(0)?.leader)!;
    const { disk } = leader;
    const sound = disk.fault;
    disk.fault = fault;
    for (let number = 0; number < 20; number++) void workload.send(`s${number}:`, 0);
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
