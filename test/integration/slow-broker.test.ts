import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, orThrow, Producer } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { BrokerWatch } from "../support/outside/broker-watch.ts";
import { SteadyProducer } from "../support/outside/steady-producer.ts";
import { SlowMachine } from "../support/slow-machine.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const lagMaxMs = 2_000;
const slow = 3;
/** Once a second is looked for followers that lag, and a busy machine is late. */
const lateMaxMs = 3_000;
const folder = await makeTestFolder("slow");
let cluster: TestCluster;
let admin: Admin;
let machine: SlowMachine;
/** Of all brokers, from the start. */
let everything: readonly BrokerWatch[];

beforeAll(async () => {
  machine = await SlowMachine.make(folder);
  cluster = await TestCluster.start({
    prefixOf: { [slow]: machine.prefix },
    // a disk that takes nothing is another matter
    settings: { "replica.lag.time.max.ms": lagMaxMs, "zookeeper.session.timeout.ms": 6_000, "log.dir.stall.timeout.ms": 60_000 },
  });
  everything = await Promise.all(cluster.ids.map((id) => BrokerWatch.start(cluster, id)));
  admin = new Admin({ bootstrap: cluster.bootstrap });
  orThrow(
    await admin.createTopics([
      { name: "followed", assignment: [[1, 2, slow]] },
      { name: "elsewhere", assignment: [[1, 2]], configs: { "min.insync.replicas": "2" } },
    ]),
  );
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
  await removeTestFolder(folder);
});

async function isrOf(topic: string) {
  return orThrow(await admin.describeTopics([topic]))[0]?.partitions[0]?.isr ?? [];
}

const steady = (topic: string) => new SteadyProducer(cluster.bootstrap, topic, 1);

async function acknowledged(producer: SteadyProducer, count: number) {
  const before = producer.acknowledgedCount;
  await waitUntil(`${count} acknowledgements`, () => producer.acknowledgedCount >= before + count);
}

async function told(watch: BrokerWatch, words: string) {
  return (await watch.lines()).filter(({ msg }) => msg.includes(words));
}

/**
 * While its main thread waited for its disk it was silent; the controller, whoever that is by now, trusts it again after ten calm seconds.
 */
async function isTrusted(): Promise<boolean> {
  const changes = (await Promise.all(everything.map((watch) => told(watch, "the suspected brokers changed")))).flat();
  const times = (which: "arisen" | "cleared") =>
    changes.filter((line) => (line[which] as number[]).includes(slow)).map(({ time }) => Date.parse(time as string));
  return Math.max(0, ...times("cleared")) >= Math.max(0, ...times("arisen"));
}

test("a broker whose disk stalls for seconds at each write leaves the in-sync sets, the rest goes on as before, and it says that its disk is slow", async () => {
  const [leader, slowOne] = (await Promise.all([1, slow].map((id) => BrokerWatch.start(cluster, id)))) as [BrokerWatch, BrokerWatch];
  const followed = steady("followed");
  const elsewhere = steady("elsewhere");
  await Promise.all([followed, elsewhere].map((producer) => acknowledged(producer, 100)));

  const fromMs = performance.now();
  await machine.delay({ diskMs: 2 * lagMaxMs });
  await waitUntil("the others to go on without it", async () => !(await isrOf("followed")).includes(slow));
  const outMs = performance.now() - fromMs;
  expect(outMs).toBeLessThan(lagMaxMs + lateMaxMs);
  const afterwards = steady("followed");
  await Promise.all([afterwards, elsewhere].map((producer) => acknowledged(producer, 300)));
  const recovered = await afterwards.stop();
  const undisturbed = await elsewhere.stop();
  const [slowLine] = await waitUntil("the slow one to say so", async () => {
    const found = await told(slowOne, "this disk is slow");
    return found.length > 0 && found;
  });
  expect(slowLine).toMatchObject({ level: "warn", directory: cluster.dataDirectory(slow) });
  await waitUntil("its leader to say so", async () => (await told(leader, "a follower does not keep up")).length > 0);

  await machine.delay({});
  await waitUntil("it to be in sync again", async () => (await isrOf("followed")).includes(slow));
  await waitUntil("both to say so", async () =>
    [await told(slowOne, "this disk keeps up again"), await told(leader, "a follower is in sync again")].every(
      ({ length }) => length === 1,
    ),
  );
  const all = await followed.stop();
  for (const { failed } of [all, recovered, undisturbed]) expect(failed).toEqual([]);
  expect(await told(slowOne, "this disk is slow")).toHaveLength(1);
  expect(await told(leader, "a follower does not keep up")).toHaveLength(1);
  expect(all.maxMs).toBeLessThan(lagMaxMs + lateMaxMs);
  expect(recovered.p50Ms).toBeLessThan(lagMaxMs / 4);
  expect(undisturbed.maxMs).toBeLessThan(lagMaxMs);
  await cluster.replicasIdentical("followed");
  console.log(
    `out after ${outMs.toFixed(0)} ms; acks=all ${all.maxMs.toFixed(0)} ms at most, then p50 ${recovered.p50Ms.toFixed(0)} ms; ` +
      `elsewhere ${undisturbed.p50Ms.toFixed(0)} ms, at most ${undisturbed.maxMs.toFixed(0)}`,
  );
});

test("a broker with a slow network is not suspected, and holds up only what waits for it", async () => {
  const watches = await Promise.all(cluster.ids.map((id) => BrokerWatch.start(cluster, id)));
  await waitUntil("it to be in sync", async () => (await isTrusted()) && (await isrOf("followed")).includes(slow));
  await machine.delay({ networkMs: 200 });
  // it looks now and then how slow it is to be
  await using probe = new Producer({ bootstrap: cluster.bootstrap });
  await waitUntil("its network to be slow", async () => {
    const sentMs = performance.now();
    await probe.send({ topic: "followed", partition: 0, value: "probe" });
    return performance.now() - sentMs > 150;
  });
  const followed = steady("followed");
  await acknowledged(followed, 3);
  const elsewhere = steady("elsewhere");
  await Promise.all([acknowledged(followed, 10), acknowledged(elsewhere, 100)]);
  const [slowed, undisturbed] = [await followed.stop(), await elsewhere.stop()];
  await machine.delay({});
  expect([slowed.failed, undisturbed.failed]).toEqual([[], []]);
  expect(slowed.p50Ms).toBeGreaterThan(150);
  expect(undisturbed.p50Ms).toBeLessThan(150);
  // that its disk takes writes again may be told only now
  for (const watch of watches)
    for (const words of ["another broker does not answer", "another broker's process is gone", "another broker's disk takes nothing"])
      expect(await told(watch, words)).toEqual([]);
  console.log(`acks=all with it p50 ${slowed.p50Ms.toFixed(0)} ms, elsewhere ${undisturbed.p50Ms.toFixed(0)} ms`);
});
