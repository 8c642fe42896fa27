import { expect, test } from "vitest";
import { ProducerIds } from "../../../broker/cluster/producer-ids.ts";
import { MemoryEnsemble } from "../../../coordinator-client/memory-coordinator.ts";
import { registerBroker } from "../../../coordinator-client/registration.ts";
import { sleep } from "../../../protocol/base/clock.ts";
import { type Logger, silentLogger } from "../../../protocol/base/logger.ts";
import { SimClock } from "../../sim/sim-clock.ts";

const registration = { endpoints: [], rack: null, incarnation: "directory", peer: { host: "h", port: 1 }, timestampMs: 0 };
const path = "/latest_producer_id_block";

function world() {
  const sim = new SimClock();
  const ensemble = new MemoryEnsemble({ clock: sim.forOwner("zookeeper"), latencyMs: () => 1 });
  const until = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false;
    void promise.finally(() => {
      isSettled = true;
    });
    for (let step = 0; !isSettled; step++) if (step > 100_000 || !(await sim.step())) throw new Error("never came");
    return promise;
  };
  const broker = async (brokerId: number, log: Logger = silentLogger) => {
    const clock = sim.forOwner(`broker ${brokerId}`);
    const coordinator = ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
    await until(coordinator.connected());
    const membership = { epoch: (await until(registerBroker(coordinator, brokerId, registration))).brokerEpoch };
    return { clock, coordinator, membership, ids: new ProducerIds({ coordinator, brokerId, membership, clock, log }) };
  };
  const block = () => JSON.parse(ensemble.tree.read(path)?.data.toString() ?? "null");
  const many = async (ids: ProducerIds, count: number) => {
    const given: number[] = [];
    for (let i = 0; i < count; i++) {
      const answer = await until(ids.next());
      if (answer.error !== null) throw new Error(answer.error);
      given.push(answer.producerId);
    }
    return given;
  };
  return { sim, ensemble, until, broker, block, many };
}

test("brokers take blocks of a thousand from Kafka's node, and no id is given twice", async () => {
  const { broker, block, many } = world();
  const [one, two] = [await broker(1), await broker(2)];
  expect(await many(one.ids, 2)).toEqual([0, 1]);
  expect(block()).toEqual({ version: 1, broker: 1, block_start: "0", block_end: "999" });
  expect(await many(two.ids, 2)).toEqual([1000, 1001]);
  const all = [...(await many(one.ids, 2_500)), ...(await many(two.ids, 2_500))];
  expect(new Set(all).size).toBe(5_000);
});

test("the next block is there before the current one runs out", async () => {
  const { sim, broker, block, many } = world();
  const { ids, coordinator } = await broker(1);
  await many(ids, 900);
  expect(block().block_end).toBe("999");
  await many(ids, 1);
  for (let i = 0; i < 200; i++) await sim.step();
  expect(block().block_end).toBe("1999");
  coordinator.cut();
  expect((await many(ids, 1_000)).at(-1)).toBe(1_900);
});

test.each([true, false])("a claim whose answer was lost (written: %s) is given out by nobody else", async (done) => {
  const { sim, until, broker, block, many } = world();
  const { ids, coordinator } = await broker(1);
  coordinator.loseNextAnswer({ done });
  const first = await until(ids.next());
  if (first.error !== null) {
    expect(first.error).toBe("COORDINATOR_NOT_AVAILABLE");
    await until(coordinator.connected());
  }
  const retried = async (): Promise<number> => {
    const answer = await until(ids.next());
    if (answer.error === null) return answer.producerId;
    await sim.step();
    return retried();
  };
  const id = await retried();
  expect(block()).toMatchObject({ broker: 1 });
  expect(id).toBeLessThanOrEqual(Number(block().block_end));
  const other = await broker(2);
  const [theirs] = await many(other.ids, 1);
  expect(theirs).toBeGreaterThan(id);
  expect(theirs).toBe(Number(block().block_start));
});

test("many at once on an empty broker share one claim; without ZooKeeper all of them learn it in time", async () => {
  const { until, broker } = world();
  const one = await broker(1);
  const answers = await until(Promise.all(Array.from({ length: 1_500 }, () => one.ids.next())));
  expect(answers.map((answer) => (answer.error === null ? answer.producerId : answer.error))).toEqual(answers.map((_, i) => i));
  const two = await broker(2);
  two.coordinator.cut();
  const refused = await until(Promise.all([two.ids.next(), two.ids.next()]));
  for (const { error } of refused) expect(["COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE"]).toContain(error);
  two.coordinator.heal();
});

test("a node that says nothing we understand is an error that does not go away by asking again", async () => {
  const { until, broker } = world();
  const { ids, coordinator } = await broker(1);
  await until(coordinator.write([{ kind: "create", path, data: Buffer.from("{"), mode: "persistent" }]));
  expect(await until(ids.next())).toMatchObject({ error: "UNKNOWN_SERVER_ERROR" });
});

test("nothing is claimed by a broker that is not registered, though its last life's registration be there", async () => {
  const { ensemble, sim, until, broker, many } = world();
  const { ids, membership } = await broker(1);
  const { epoch } = membership;
  membership.epoch = -1;
  expect((await until(ids.next())).error).toBe("COORDINATOR_NOT_AVAILABLE");
  expect(ensemble.tree.read(path)).toBeNull();
  membership.epoch = epoch;
  await until(sleep(sim.forOwner("test"), 1_000));
  expect(await many(ids, 1)).toEqual([0]);
});

test("a coordinator that lost its state, or went back in time, gives no ids that are in use", async () => {
  const { ensemble, until, broker, many } = world();
  const { ids, clock } = await broker(1);
  await many(ids, 10);
  const backup = ensemble.backup();
  const given = await many(ids, 2_500);
  ensemble.restore();
  const left = 3_000 - 2_510;
  await many(ids, left);
  expect((await until(ids.next())).error).toBe("COORDINATOR_NOT_AVAILABLE");
  expect(ensemble.tree.read(path)).toBeNull();
  // in the copy it is registered, and may go on: behind all that it ever had
  ensemble.restore({ ...backup, zxid: backup.zxid + 1_000 });
  await until(sleep(clock, 5_000));
  expect((await many(ids, 1))[0]).toBeGreaterThan(Math.max(...given));
});

test("for as long as none can be claimed, that is told ever more rarely", async () => {
  const { sim, until, broker } = world();
  let told = 0;
  const warn = () => {
    told++;
  };
  const { ids, membership } = await broker(1, { ...silentLogger, warn });
  const { epoch } = membership;
  membership.epoch = -1;
  for (let i = 0; i < 200; i++) {
    expect((await until(ids.next())).error).not.toBeNull();
    await until(sleep(sim.forOwner("producers"), 250));
  }
  expect(told).toBe(8);
  membership.epoch = epoch;
  expect(await until(ids.next())).toMatchObject({ error: null });
});
