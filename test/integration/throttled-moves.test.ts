import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, orThrow, Producer } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { freePorts } from "../support/free-ports.ts";
import { parseScrape, seriesSum } from "../support/metrics-text.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { waitUntil } from "../support/wait-until.ts";

// Copies are made at the rate that was asked for, measured on the disk of the broker that gets them, while a producer goes on.

const topicBytes = 24_000_000;
const valueBytes = 100_000;
let cluster: TestCluster;
let admin: Admin;
let metricsPort: number;

beforeAll(async () => {
  [metricsPort] = (await freePorts(1)) as [number];
  const settingsOf = { 3: { "metrics.listener": `http://127.0.0.1:${metricsPort}` } };
  cluster = await TestCluster.start({ brokers: 3, settings: { "auto.leader.rebalance.enable": false }, settingsOf });
  admin = new Admin({ bootstrap: cluster.bootstrap });
  orThrow(
    await admin.createTopics([
      { name: "large", assignment: [[1, 2], [2, 1], [1, 2], [2, 1]] }, // biome-ignore format: the assignment
      { name: "busy", assignment: [[1, 2, 3], [2, 3, 1], [3, 1, 2]] }, // biome-ignore format: the assignment
    ]),
  );
  await using producer = new Producer({ bootstrap: cluster.bootstrap });
  const value = Buffer.alloc(valueBytes, "x");
  for (let sent = 0; sent < topicBytes / valueBytes; sent += 4)
    await Promise.all([0, 1, 2, 3].map((partition) => producer.send({ topic: "large", partition, value })));
}, 120_000);

afterAll(async () => {
  await OttlaCommand.killAll();
  await admin?.close();
  await cluster?.stop();
});

const start = (args: string) => new OttlaCommand([...args.split(" "), "--bootstrap", cluster.bootstrap.join(",")]);
const underWay = async () => (await admin.listPartitionReassignments()).length;

/** Of the topic's copies on broker 3. */
async function copiedBytes(): Promise<number> {
  const [described] = orThrow(await admin.describeLogDirs([3]));
  const replicas = described!.directories.flatMap((directory) => directory.replicas);
  return replicas.filter(({ topic }) => topic === "large").reduce((sum, { sizeInBytes }) => sum + sizeInBytes, 0);
}

/** Bytes a second that arrive at broker 3, from `fromBytes` until `toBytes` are there. */
async function measured(fromBytes: number, toBytes: number): Promise<number> {
  const at = async (bytes: number) => {
    for (;;) {
      const copied = await copiedBytes();
      if (copied >= bytes) return { copied, atMs: performance.now() };
      await sleep(20);
    }
  };
  const [first, last] = [await at(fromBytes), await at(toBytes)];
  return ((last.copied - first.copied) / (last.atMs - first.atMs)) * 1000;
}

const throttleNames = [
  "leader.replication.throttled.rate",
  "follower.replication.throttled.rate",
  "leader.replication.throttled.replicas",
  "follower.replication.throttled.replicas",
  "ottla.throttled.by.moves",
];

/** What is set of throttles, everywhere. */
async function throttles(): Promise<readonly string[]> {
  const resources = [...cluster.ids.map((broker) => ({ broker })), { topic: "large" }, { topic: "busy" }];
  const described = orThrow(await admin.describeConfigs(resources, { names: throttleNames }));
  return described.flatMap(({ resource, configs }) =>
    configs
      .filter(({ source }) => source === "dynamic-broker" || source === "topic")
      .map(({ name, value }) => `${"topic" in resource ? resource.topic : resource.broker} ${name}=${value}`),
  );
}

/** None of them on broker 3. */
async function onlyTwoCopies(): Promise<void> {
  const wanted = [0, 1, 2, 3].map((partition) => ({ topic: "large", partition, replicas: partition % 2 === 0 ? [1, 2] : [2, 1] }));
  orThrow(await admin.alterPartitionReassignments(wanted));
  await waitUntil("only two copies", async () => (await underWay()) === 0 && (await copiedBytes()) === 0);
}

/** Milliseconds of each acknowledgement by all replicas, while `work` goes on. */
async function latencies(work: () => Promise<unknown>): Promise<readonly number[]> {
  await using producer = new Producer({ bootstrap: cluster.bootstrap });
  const value = Buffer.alloc(1000, "y");
  const taken: number[] = [];
  let isOver = false;
  const send = async (partition: number) => {
    while (!isOver) {
      const beganMs = performance.now();
      await producer.send({ topic: "busy", partition, value });
      taken.push(performance.now() - beganMs);
      await sleep(5);
    }
  };
  const sending = [0, 1, 2].map(send);
  await work().finally(() => {
    isOver = true;
  });
  await Promise.all(sending);
  return taken.toSorted((a, b) => a - b);
}

const p99 = (sorted: readonly number[]) => sorted[Math.floor(sorted.length * 0.99)]!;

test("a topic gets another copy at the rate that was asked for, producers do not notice, and nothing of the throttle is left", async () => {
  const quiet = await latencies(() => sleep(5_000));
  const command = start("topic alter large --replication-factor 3 --throttle 4MB/s");
  let rate = 0;
  const throttled = await latencies(async () => {
    rate = await measured(4_000_000, topicBytes - 2_000_000);
    expect(await throttles()).toEqual(expect.arrayContaining(["1 leader.replication.throttled.rate=4000000", "3 follower.replication.throttled.rate=4000000"])); // biome-ignore format: one line
    const [busy] = orThrow(await admin.describeTopics(["busy"]));
    expect(busy!.partitions.map(({ isr }) => isr.length)).toEqual([3, 3, 3]);
    await command.result;
  });
  const { code, stdout, stderr } = await command.result;
  expect({ code, stdout }).toEqual({ code: 0, stdout: "large has 3 copies of each partition, and had 2\n" });
  expect(stderr).toContain("copying is throttled to 4 MB/s for each broker until the moves are over");
  expect(stderr).toContain("the moves are over: the throttle is taken away");
  console.log(`copied at ${(rate / 1e6).toFixed(2)} MB/s; p99 ${p99(throttled).toFixed(1)} ms, and ${p99(quiet).toFixed(1)} ms before`);
  expect(rate).toBeGreaterThan(4_000_000 * 0.85);
  expect(rate).toBeLessThan(4_000_000 * 1.15);
  // milliseconds that a busy machine adds to either
  expect(p99(throttled)).toBeLessThan(2 * p99(quiet) + 20);
  expect(await throttles()).toEqual([]);
  const scrape = parseScrape(await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text(), "prometheus");
  const counted = seriesSum(scrape, "ottla_replication_throttled_bytes_total", { side: "follower" });
  expect(counted).toBeGreaterThan(0.9 * topicBytes);
  await cluster.replicasIdentical("large");
}, 120_000);

test("the rate of moves under way is changed from elsewhere; ended commands are cleaned up after, and a throttle of somebody else stays", async () => {
  orThrow(
    await admin.incrementalAlterConfigs([
      { resource: { broker: 3 }, changes: [{ name: "follower.replication.throttled.rate", operation: "set", value: "123456789" }] },
      { resource: { topic: "large" }, changes: [{ name: "leader.replication.throttled.replicas", operation: "set", value: "0:1,9:9" }] },
    ]),
  );
  const own = (await throttles()).toSorted();
  await onlyTwoCopies();

  const first = start("topic alter large --replication-factor 3 --throttle 1MB/s");
  await waitUntil("the beginning", async () => (await copiedBytes()) > 300_000);
  first.signal("SIGINT");
  expect(await first.result).toMatchObject({ code: 1, stderr: expect.stringContaining("what has begun goes on") });
  expect(await measured(1_000_000, 6_000_000)).toBeLessThan(1_150_000);

  const watching = start("cluster rebalance --watch --throttle 8MB/s --json");
  await waitUntil("a look at them", () => watching.printed.includes("\n"));
  expect(JSON.parse(watching.printed.split("\n")[0]!)).toMatchObject({ throttle: 8_000_000 });
  const faster = await measured(8_000_000, topicBytes - 2_000_000);
  console.log(`then at ${(faster / 1e6).toFixed(2)} MB/s`);
  expect(faster).toBeGreaterThan(8_000_000 * 0.85);
  expect(faster).toBeLessThan(8_000_000 * 1.15);
  expect((await watching.result).code).toBe(0);
  expect(await underWay()).toBe(0);
  expect((await throttles()).toSorted()).toEqual(own);
  await cluster.replicasIdentical("large");
}, 120_000);

test("cancelled moves leave no throttle behind, and a command that was killed none after the next one", async () => {
  const own = (await throttles()).toSorted();
  for (const next of ["cluster rebalance --cancel", "cluster rebalance --watch"]) {
    await onlyTwoCopies();
    const killed = start("topic alter large --replication-factor 3 --throttle 1MB/s");
    await waitUntil("the beginning", async () => (await copiedBytes()) > 300_000);
    killed.signal("SIGKILL");
    await killed.result;
    expect((await throttles()).length).toBeGreaterThan(own.length);
    if (next.endsWith("--watch")) {
      orThrow(await admin.alterPartitionReassignments([0, 1, 2, 3].map((partition) => ({ topic: "large", partition, replicas: null }))));
      await waitUntil("nothing under way", async () => (await underWay()) === 0);
    }
    expect((await start(next).result).code).toBe(0);
    expect((await throttles()).toSorted()).toEqual(own);
    await waitUntil("nothing under way", async () => (await underWay()) === 0);
  }
}, 120_000);

test("a throttle is for what copies", async () => {
  expect(await start("cluster rebalance --cancel --throttle 1MB/s").result).toMatchObject({ code: 2 });
  expect(await start("topic alter large --partitions 9 --throttle 1MB/s").result).toMatchObject({ code: 2 });
});
