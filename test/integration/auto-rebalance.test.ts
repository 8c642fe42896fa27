import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, orThrow } from "../../client/index.ts";
import { becomesInSync } from "../support/calm.ts";
import { TestCluster } from "../support/cluster.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { waitUntil } from "../support/wait-until.ts";
import { Workload } from "../support/workload.ts";

// A fourth broker comes, and partitions move there without anybody asking for it, while producers write to them.

const topic = "spread";
const partitions = 16;
const calmMs = 2_000;
let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  cluster = await TestCluster.start({
    brokers: 4,
    spares: 1,
    settings: {
      "ottla.auto.rebalance.calm.ms": calmMs,
      "ottla.auto.rebalance.interval.ms": 300,
      "ottla.auto.rebalance.partitions.at.once": 3,
      "ottla.auto.rebalance.cancelled.pause.ms": 600_000,
    },
  });
  admin = new Admin({ bootstrap: [1, 2, 3].map((id) => cluster.address(id)) });
});

afterAll(async () => {
  await OttlaCommand.killAll();
  await admin?.close();
  await cluster?.stop();
});

async function text(args: string): Promise<string> {
  const bootstrap = [1, 2, 3].map((id) => cluster.address(id)).join();
  const { code, stdout, stderr } = await new OttlaCommand([...args.split(" "), "--bootstrap", bootstrap]).result;
  expect({ args, code, stderr: code === 0 ? "" : stderr }).toEqual({ args, code: 0, stderr: "" });
  return stdout;
}

async function countsOf(what: "copies" | "preferred"): Promise<number[]> {
  const [described] = orThrow(await admin.describeTopics([topic]));
  const all = described!.partitions.map(({ replicas }) => (what === "copies" ? replicas : replicas.slice(0, 1)));
  return [1, 2, 3, 4].map((id) => all.filter((replicas) => replicas.includes(id)).length);
}

const underWay = async () => (await admin.listPartitionReassignments()).length;
const isStill = async () => (await underWay()) === 0;

async function logged(what: string): Promise<string[]> {
  const logs = await Promise.all(cluster.ids.map((id) => cluster.logTail(id, 100_000)));
  return logs.flatMap((log) => log.split("\n")).filter((line) => line.includes(what));
}

test("a broker that came gets its share of what is there, a few partitions at a time, though the controller dies; nothing is lost", async () => {
  await text("cluster alter --config ottla.auto.rebalance=new-brokers");
  const three = Array.from({ length: partitions }, (_, at) => [1 + (at % 3), 1 + ((at + 1) % 3), 1 + ((at + 2) % 3)]);
  orThrow(await admin.createTopics([{ name: topic, assignment: three }]));
  const load = new Workload({ bootstrap: [1, 2, 3].map((id) => cluster.address(id)), topic, partitions }).start();
  await waitUntil("records come through", () => load.acknowledgedCount > 2_000);
  await new Promise((resolve) => setTimeout(resolve, calmMs + 1_000));
  expect(await countsOf("copies"), "among brokers with equal shares nothing moves").toEqual([16, 16, 16, 0]);
  await cluster.startBroker(4);
  let most = 0;
  await waitUntil("moves", async () => {
    most = Math.max(most, await underWay());
    return most > 0;
  });
  const { controllerId } = await admin.describeCluster();
  await cluster.kill(controllerId);
  await cluster.startBroker(controllerId);
  const isSpread = async () => {
    most = Math.max(most, await underWay());
    return (await countsOf("copies"))[3] === 12 && (await isStill());
  };
  await waitUntil("its share", isSpread, { timeoutMs: 120_000 });
  const before = load.acknowledgedCount;
  await waitUntil("records come through as before", () => load.acknowledgedCount > before + 1_000);
  await load.stop();
  expect(await countsOf("copies")).toEqual([12, 12, 12, 12]);
  expect(await countsOf("preferred")).toEqual([4, 4, 4, 4]);
  expect(most).toBeLessThanOrEqual(3);
  await becomesInSync(admin, topic);
  await load.verify();
  await cluster.replicasIdentical(topic);
  expect(await logged("partitions are moved by themselves")).not.toEqual([]);
  await waitUntil("it says why it does no more", async () => (await logged("there is nothing to move")).length > 0);
});

test("a broker that was drained is not filled again, until it is given copies", async () => {
  await text("cluster alter --config ottla.auto.rebalance=full");
  expect(await text("cluster drain 4")).toMatch(/broker 4 has no copies any more/);
  expect(await text("cluster describe --configs")).toMatch(/^ *all +ottla\.auto\.rebalance\.excluded\.brokers +4 /m);
  for (let look = 0; look < 10; look++) {
    await new Promise((resolve) => setTimeout(resolve, calmMs / 4));
    expect(await isStill()).toBe(true);
  }
  expect(await countsOf("copies")).toEqual([16, 16, 16, 0]);
  await text("cluster alter --config ottla.auto.rebalance.excluded.brokers=");
  await waitUntil("its share", async () => (await countsOf("copies"))[3] === 12 && (await isStill()), { timeoutMs: 60_000 });
  await text("cluster drain 4");
  await text("cluster rebalance --by replicas");
  expect((await countsOf("copies"))[3]).toBe(12);
  expect(await text("cluster describe --configs")).not.toMatch(/excluded\.brokers +4 /);
  await cluster.replicasIdentical(topic);
});

test("once a move was cancelled, nothing is moved, by a later controller neither", async () => {
  const one = Array.from({ length: 9 }, () => [1]);
  orThrow(await admin.createTopics([{ name: "heap", assignment: one }]));
  await waitUntil("moves", async () => (await underWay()) > 0);
  // more, of which some are under way whenever it is looked
  orThrow(await admin.createTopics([{ name: "heap2", assignment: one }]));
  const moves = await waitUntil("moves, which are cancelled", async () => {
    const moves = await admin.listPartitionReassignments();
    const cancelled = await admin.alterPartitionReassignments(moves.map(({ topic, partition }) => ({ topic, partition, replicas: null })));
    return cancelled.some(({ error }) => error === null) ? cancelled : null;
  });
  expect(moves).not.toEqual([]);
  await waitUntil("nothing under way", isStill);
  const heaped = async () => {
    const described = orThrow(await admin.describeTopics(["heap", "heap2"]));
    return described.flatMap(({ partitions }) => partitions).filter(({ replicas }) => replicas.includes(1)).length;
  };
  const left = await heaped();
  expect(left).toBeGreaterThan(9);
  const { controllerId } = await admin.describeCluster();
  await cluster.shutDown(controllerId);
  await cluster.startBroker(controllerId);
  await new Promise((resolve) => setTimeout(resolve, 2 * calmMs + 1_000));
  expect([await heaped(), await underWay()]).toEqual([left, 0]);
  await waitUntil("it says why", async () => (await logged("a reassignment was cancelled")).length > 0);
  await text("cluster alter --config ottla.auto.rebalance.cancelled.pause.ms=0");
  await waitUntil("it goes on", async () => (await heaped()) < left, { timeoutMs: 60_000 });
});
