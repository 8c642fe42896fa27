import { describe, expect, test } from "vitest";
import { Consumer } from "../../client/index.ts";
import { randomInt, seededRandom } from "../../protocol/base/random.ts";
import { rot } from "./rot.ts";
import type { SimBroker } from "./sim-broker.ts";
import { partitions, topic, World } from "./world.ts";

/** Everything is read from the disk, and checked, so that rot there is found. */
const cold = {
  "ottla.log.tail.cache.max.bytes": "0",
  "ottla.log.checked.remember.ms": "0",
  "leader.imbalance.check.interval.seconds": "3600",
};

function running(seed: number) {
  const world = new World(seed, null, cold);
  const reports: string[] = [];
  // brokers log what is damaged
  world.trace.onError = (what) => reports.push(what);
  const must = async (what: string, condition: () => boolean, limitMs = 60_000) => {
    if (!(await world.until(condition, limitMs)))
      throw new Error(`seed ${seed}: ${what}: ${[...world.violations, ...world.trace.latest].join("\n")}`);
  };
  return { world, must, reports };
}

/** Reads partition 0 from the beginning to where the sends end, with a consumer of its own. */
function readAll(world: World, name: string): { readonly values: string[]; error: Error | null } {
  const result: { values: string[]; error: Error | null } = { values: [], error: null };
  const runtime = {
    clock: world.clock.forOwner(name),
    transport: world.network.transportFor(name),
    random: seededRandom(5),
    log: world.trace.logger(name),
  };
  const base = { requestTimeoutMs: 3000, connectTimeoutMs: 1000, retryBackoffMs: 50, retryBackoffMaxMs: 500 };
  const consumer = new Consumer({ ...base, bootstrap: "b1:9092,b2:9092,b3:9092", offsetReset: "none", fetchWaitMaxMs: 300, runtime });
  const read = async () => {
    await consumer.assign([{ topic, partition: 0, from: "beginning" }]);
    for await (const { offset, value } of consumer) result.values[offset] = String(value);
  };
  read().catch((error: Error) => {
    result.error = error;
  });
  return result;
}

describe("bits that rot on the disk of one replica", () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])("are served to nobody, and the replica is whole again (seed %i)", async (seed) => {
    const { world, must, reports } = running(seed);
    const { workload, checker, observer, brokers } = world;
    const random = seededRandom(seed * 31);
    for (const broker of brokers) broker.start();
    await must("start", () => brokers.every(({ isReady }) => isReady));
    let isReading = false;
    const setUp = workload.createTopic({ "min.insync.replicas": "2", "segment.bytes": "1500" }).then(() => workload.startConsuming());
    void setUp.then(() => {
      isReading = true;
    });
    await must("topic", () => isReading && world.isConverged);
    for (let number = 0; number < 60; number++) void workload.send(`s${number}:${"x".repeat(randomInt(random, 120))}`, number % partitions);
    await must("the records are taken", () => workload.sends.length === 60 && workload.isSettled);

    const victim = brokers[randomInt(random, 3)]!;
    const where = rot(world, victim, 0, random)!;
    expect(where).not.toBeNull();
    /** Makes a broker lead partition 0, with the others in sync. */
    const haveLead = async (leader: SimBroker) => {
      const stopped: SimBroker[] = [];
      while (observer.state(0)!.leader !== leader.id) {
        const current = brokers.find(({ id }) => id === observer.state(0)!.leader)!;
        current.stop(8000);
        stopped.push(current);
        await must("another leads", () => !current.isUp && ![-1, current.id].includes(observer.state(0)!.leader));
      }
      for (const broker of stopped) broker.start();
      await must("whole again", () => world.isConverged);
    };
    // every broker leads for a while, and a consumer reads all there is
    for (const leader of [victim, ...brokers.filter((broker) => broker !== victim)]) {
      await haveLead(leader);
      const number = workload.sends.length;
      void workload.send(`more${number}:`, 0);
      await must("one more", () => workload.sends.length > number && workload.isSettled);
      const all = readAll(world, `reader ${leader.id}`);
      const expected = workload.sends.filter(({ partition }) => partition === 0);
      await must(`all is read (${where})`, () => all.error !== null || expected.every(({ offset }) => all.values[offset] !== undefined));
      expect(all.error, `seed ${seed}, ${where}`).toBeNull();
      for (const { offset, value } of expected) expect(all.values[offset], `seed ${seed}, ${where}`).toBe(value);
      await must("whole", () => world.isConverged);
      if (leader === victim)
        expect(
          reports.some((what) => what.includes("damaged")),
          `seed ${seed}, ${where}: an operator was told`,
        ).toBeTruthy();
    }
    await must("alike", () => checker.areAlike());
    await must("reading", () => workload.sends.every(({ partition, offset }) => checker.consumedEnd(partition) > offset));
    checker.finish(workload.sends);
    expect(world.violations).toStrictEqual([]);
  });
});
