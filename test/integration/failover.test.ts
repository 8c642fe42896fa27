import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Admin, orThrow } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { waitUntil } from "../support/wait-until.ts";
import { Workload } from "../support/workload.ts";

const partitions = 6;
let cluster: TestCluster;
let admin: Admin;
let topic: string;
let workload: Workload;
let count = 0;

beforeAll(async () => {
  cluster = await TestCluster.start();
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

beforeEach(async () => {
  topic = `failover-${++count}`;
  orThrow(await admin.createTopics([{ name: topic, partitions, replicationFactor: 3 }]));
  workload = new Workload({ bootstrap: cluster.bootstrap, topic, partitions }).start();
  await waitUntil("the load to run", () => workload.acknowledgedCount > 1000);
});

/**
 * What every fault must end in: every record is there exactly once and in order, the replicas are the same bytes, the in-sync sets are
 * complete.
 */
afterEach(async () => {
  try {
    await waitUntil("all in-sync sets to be whole", isrWhole, { timeoutMs: 60_000 });
    const before = workload.acknowledgedCount;
    await waitUntil("the load to run on", () => workload.acknowledgedCount > before + 1000);
  } finally {
    await workload.stop(); // or it keeps running alongside the next test
  }
  const { acknowledged, sentAgain } = await workload.verify();
  await cluster.replicasIdentical(topic);
  console.log(`${topic}: ${acknowledged} acknowledged records are there once and in order, ${sentAgain} of them sent more than once`);
});

async function isrWhole(): Promise<boolean> {
  const described = orThrow(await admin.describeTopics([topic]))[0]?.partitions ?? [];
  const broken = described.filter(({ isr, leader }) => isr.length < 3 || leader < 0);
  if (described.length < partitions || broken.length > 0)
    throw new Error(`${described.length} partitions are known; not whole: ${JSON.stringify(broken)}`);
  return true;
}

async function partitionsLedBy(id: number): Promise<number[]> {
  const [described] = orThrow(await admin.describeTopics([topic]));
  return (described?.partitions ?? []).filter(({ leader }) => leader === id).map(({ partition }) => partition);
}

async function controllerId(): Promise<number> {
  return waitUntil("a controller", async () => {
    const { controllerId: id } = await admin.describeCluster();
    return id !== null && id >= 0 ? id : null;
  });
}

/** Prints how long the partitions waited for their next acknowledgement. */
async function printRecovery(what: string, atMs: number, of: readonly number[]): Promise<void> {
  const firsts = await Promise.all(
    of.map((partition) =>
      waitUntil(`partition ${partition} to be acknowledged again`, () => workload.firstAcknowledgedAfter(partition, atMs + 50)),
    ),
  );
  console.log(`${what}: next acknowledgement after ${Math.round(Math.max(...firsts) - atMs)} ms (${of.length} partitions)`);
}

describe("a cluster of three under load", () => {
  test("survives SIGKILL of a leader that is not the controller", async () => {
    const controller = await controllerId();
    const victim = cluster.ids.find((id) => id !== controller) ?? 0;
    const led = await partitionsLedBy(victim);
    expect(led.length).toBeGreaterThan(0);
    await cluster.kill(victim);
    await printRecovery("leader killed", performance.now(), led);
    expect(await partitionsLedBy(victim)).toEqual([]);
    await cluster.startBroker(victim);
    await waitUntil("the preferred leader to lead again", async () => (await partitionsLedBy(victim)).length === led.length);
  });

  test("survives SIGKILL of a broker that is leader and controller", async () => {
    const victim = await controllerId();
    const led = await partitionsLedBy(victim);
    await cluster.kill(victim);
    await printRecovery("leader and controller killed", performance.now(), led);
    await cluster.startBroker(victim);
  });

  test("survives a controller that dies leading nothing", async () => {
    const victim = await controllerId();
    const others = cluster.ids.filter((id) => id !== victim);
    const name = `${topic}-elsewhere`;
    orThrow(await admin.createTopics([{ name, assignment: [others] }]));
    await cluster.kill(victim);
    const next = await waitUntil("another controller", async () => {
      const id = await controllerId();
      return id !== victim ? id : null;
    });
    expect(others).toContain(next);
    await cluster.startBroker(victim);
  });

  test("lets a broker go without one failed send (controlled shutdown)", async () => {
    const victim = cluster.ids[0] ?? 0;
    const led = await partitionsLedBy(victim);
    const atMs = performance.now();
    await cluster.shutDown(victim);
    await printRecovery("controlled shutdown", atMs, led);
    await cluster.startBroker(victim);
  });

  test("a leader that was stopped past its session refuses what it took meanwhile, and truncates", async () => {
    const victim = cluster.ids[1] ?? 0;
    const led = await partitionsLedBy(victim);
    cluster.pause(victim);
    await printRecovery("leader stopped (SIGSTOP)", performance.now(), led);
    expect(await partitionsLedBy(victim)).toEqual([]);
    cluster.resume(victim);
  });

  test("goes on after a restart of ZooKeeper within the session timeout", async () => {
    const atMs = performance.now();
    await cluster.zookeeper.restart();
    await printRecovery("ZooKeeper restarted", atMs, [0, 1, 2, 3, 4, 5]);
  });

  test("survives the loss of two brokers at once: writes wait, nothing is lost", async () => {
    const [first = 0, second = 0] = cluster.ids;
    await Promise.all([cluster.kill(first), cluster.kill(second)]);
    await Promise.all([cluster.startBroker(first), cluster.startBroker(second)]);
  });
});
