import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, Consumer, OffsetOutOfRange, orThrow, Producer } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { kafkajsFor } from "../support/outside/kafkajs-client.ts";
import { Kcat, noKcat } from "../support/outside/kcat.ts";
import { waitUntil } from "../support/wait-until.ts";

let cluster: TestCluster;
let admin: Admin;
let producer: Producer;
let topics = 0;

beforeAll(async () => {
  cluster = await TestCluster.start({ settings: { "log.retention.check.interval.ms": 200, "offsets.topic.num.partitions": 2 } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
  producer = new Producer({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  await OttlaCommand.killAll();
  await producer?.close();
  await admin?.close();
  await cluster?.stop();
});

/** A topic of one partition, with a copy on every broker. */
async function newTopic(configs: Readonly<Record<string, string>> = {}): Promise<string> {
  const topic = `kept-${++topics}`;
  orThrow(await admin.createTopics([{ name: topic, partitions: 1, replicationFactor: 3, configs }]));
  return topic;
}

/** Values `from`, `from + 1`, …: each in a batch of its own, so that their offsets are their values in a topic that has nothing else. */
async function produce(topic: string, from: number, to: number, padding = 0): Promise<void> {
  for (let value = from; value < to; value++) await producer.send({ topic, partition: 0, value: `${value}${" ".repeat(padding)}` });
}

async function startOffset(topic: string): Promise<number> {
  const [found] = await admin.listOffsets([{ topic, partition: 0, spec: "earliest" }]);
  return found?.offset ?? -1;
}

async function leaderOf(topic: string): Promise<number> {
  return waitUntil("a leader", async () => {
    const leader = orThrow(await admin.describeTopics([topic]))[0]?.partitions[0]?.leader ?? -1;
    return leader >= 0 ? leader : null;
  });
}

/** Names in the partition's folder, by broker. */
function files(topic: string, ending: string): Promise<string[][]> {
  return Promise.all(
    cluster.ids.map(async (id) =>
      (await readdir(join(cluster.dataDirectory(id), `${topic}-0`))).filter((name) => name.endsWith(ending)).sort(),
    ),
  );
}

async function consume(topic: string, offset: number, offsetReset: "earliest" | "latest" | "none"): Promise<number[]> {
  await using consumer = new Consumer({ bootstrap: cluster.bootstrap, offsetReset, stopAtEnd: true });
  await consumer.assign([{ topic, partition: 0, from: { offset } }]);
  const values: number[] = [];
  for await (const { value } of consumer) values.push(Number(value));
  return values;
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

test("old segments go by size, on every broker; readers go on at the new start", async () => {
  const topic = await newTopic({ "segment.bytes": "2000", "retention.bytes": "6000", "file.delete.delay.ms": "300" });
  await produce(topic, 0, 60, 300);
  let start = 0;
  await waitUntil("the files to go, on the followers too", async () => {
    start = await startOffset(topic);
    const [logs, deleted] = [await files(topic, ".log"), await files(topic, ".deleted")];
    const begins = logs.every((names) => Number(names[0]?.slice(0, 20)) === start && names.length === 4);
    return begins && deleted.every((names) => names.length === 0);
  });
  // three full segments are just below 6000 bytes
  expect(start).toBeGreaterThan(35);
  expect(start).toBeLessThan(50);
  expect(await consume(topic, 0, "earliest")).toEqual(numbers(start, 60));
  await produce(topic, 60, 61);
  await cluster.replicasIdentical(topic);
});

test("old records go by age, the newest too, once retention.ms is changed", async () => {
  const topic = await newTopic({ "segment.bytes": "2000" });
  await produce(topic, 0, 20, 300);
  orThrow(
    await admin.incrementalAlterConfigs([{ resource: { topic }, changes: [{ name: "retention.ms", operation: "set", value: "1" }] }]),
  );
  await waitUntil("everything to go", async () => (await startOffset(topic)) === 20);
  // a follower that learns of the new start together with the next record keeps that one in the segment of the deleted records, and has
  // other files than the leader
  await waitUntil("it to be gone from every disk", async () => {
    const logs = await Promise.all(cluster.ids.map((id) => cluster.logBytes(id, topic, 0)));
    return logs.every((bytes) => bytes?.length === 0);
  });
  orThrow(await admin.incrementalAlterConfigs([{ resource: { topic }, changes: [{ name: "retention.ms", operation: "delete" }] }]));
  // a check that began under the old value may still be running
  await waitUntil("records to stay", async () => {
    const [end] = await admin.listOffsets([{ topic, partition: 0, spec: "latest" }]);
    await producer.send({ topic, partition: 0, value: String(end?.offset) });
    const before = await startOffset(topic);
    await new Promise((resolve) => setTimeout(resolve, 450)); // two checks
    return before === (await startOffset(topic)) && before <= (end?.offset ?? 0);
  });
  const values = await consume(topic, 0, "earliest");
  expect(values[0]).toBe(await startOffset(topic));
  await cluster.replicasIdentical(topic);
});

test("deleted records stay deleted over a restart of all brokers and a change of leaders", async () => {
  const topic = await newTopic();
  await produce(topic, 0, 20);
  expect(await admin.deleteRecords([{ topic, partition: 0, before: 7 }])).toEqual([{ error: null, topic, partition: 0, startOffset: 7 }]);
  const [above] = await admin.deleteRecords([{ topic, partition: 0, before: 21 }]);
  expect(above?.error?.code).toBe("OFFSET_OUT_OF_RANGE");

  const leader = await leaderOf(topic);
  await cluster.kill(leader);
  await waitUntil("another leader", async () => (await leaderOf(topic)) !== leader);
  expect(await startOffset(topic)).toBe(7);
  await cluster.startBroker(leader);
  // all at once, without a chance to write anything
  await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
  await Promise.all(cluster.ids.map((id) => cluster.startBroker(id)));
  await leaderOf(topic);
  expect(await startOffset(topic)).toBe(7);
  expect(await consume(topic, 0, "earliest")).toEqual(numbers(7, 20));
  await produce(topic, 20, 22);
  expect(await consume(topic, 7, "none")).toEqual(numbers(7, 22));
});

test("a broker that was away while what it had was deleted starts over", async () => {
  const topic = await newTopic();
  await produce(topic, 0, 10);
  const away = cluster.ids.find((id) => id !== 1) as number;
  await cluster.shutDown(away);
  await produce(topic, 10, 20);
  expect(orThrow(await admin.deleteRecords([{ topic, partition: 0, before: 15 }]))[0]?.startOffset).toBe(15);
  await cluster.startBroker(away);
  await waitUntil("three in sync", async () => orThrow(await admin.describeTopics([topic]))[0]?.partitions[0]?.isr.length === 3);
  const names = (await files(topic, ".log"))[cluster.ids.indexOf(away)];
  expect(names).toEqual(["00000000000000000015.log"]);
});

test("our consumer below the start goes where it is told, or says that it cannot", async () => {
  const topic = await newTopic();
  await produce(topic, 0, 10);
  orThrow(await admin.deleteRecords([{ topic, partition: 0, before: 6 }]));
  expect(await consume(topic, 2, "earliest")).toEqual(numbers(6, 10));
  expect(await consume(topic, 2, "latest")).toEqual([]);
  await expect(consume(topic, 2, "none")).rejects.toThrow(OffsetOutOfRange);
  expect(await consume(topic, 6, "none")).toEqual(numbers(6, 10));
});

test.skipIf(noKcat !== null)(`kcat begins at the start, and resets when it is below${noKcat === null ? "" : ` (${noKcat})`}`, async () => {
  const topic = await newTopic();
  await produce(topic, 0, 10);
  orThrow(await admin.deleteRecords([{ topic, partition: 0, before: 4 }]));
  const kcat = new Kcat(cluster.bootstrap);
  const read = async (...args: string[]) => (await kcat.read(["-t", topic, "-p", "0", ...args])).map(({ value }) => Number(value));
  expect(await read("-o", "beginning")).toEqual(numbers(4, 10));
  expect(await read("-o", "1", "-X", "topic.auto.offset.reset=earliest")).toEqual(numbers(4, 10));
});

test("kafkajs deletes records, and its group goes on at the start", async () => {
  const topic = await newTopic();
  await produce(topic, 0, 10);
  const kafka = kafkajsFor(cluster.bootstrap);
  const [theirs, consumer] = [kafka.admin(), kafka.consumer({ groupId: `of-${topic}` })];
  try {
    await theirs.connect();
    await theirs.setOffsets({ groupId: `of-${topic}`, topic, partitions: [{ partition: 0, offset: "1" }] });
    await theirs.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "5" }] });
    expect(await startOffset(topic)).toBe(5);
    const seen: number[] = [];
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => void seen.push(Number(message.value)) });
    await waitUntil("five records", () => seen.length >= 5);
    expect(seen).toEqual(numbers(5, 10));
    await theirs.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "-1" }] });
    expect(await startOffset(topic)).toBe(10);
  } finally {
    await consumer.disconnect();
    await theirs.disconnect();
  }
});

test("ottla topic delete-records", async () => {
  const topic = await newTopic();
  await produce(topic, 0, 10);
  const run = (args: string) =>
    new OttlaCommand([...`topic delete-records ${args}`.split(" "), "--bootstrap", cluster.bootstrap.join(",")]).result;
  const done = await run(`${topic} --offset 0:3`);
  expect(done).toMatchObject({ code: 0, stderr: "" });
  expect(done.stdout).toMatch(new RegExp(`^topic +partition  start\n${topic} +0 +3\n$`));
  const all = await run(`${topic} --all --json`);
  expect(JSON.parse(all.stdout)).toEqual({ name: topic, partitions: [{ partition: 0, startOffset: 10 }] });
  for (const [args, code] of [
    [`${topic} --offset 0:99`, 1],
    ["no-such-topic --all", 1],
    [`${topic} --offset 7:1`, 2],
    [`${topic} --offset seven`, 2],
    [topic, 2],
  ] as const) {
    const failed = await run(args);
    expect({ args, code: failed.code, stdout: failed.stdout }).toEqual({ args, code, stdout: "" });
    expect(failed.stderr, args).toMatch(/^ottla: [^\n]+\n$/);
  }
  const compacted = await newTopic({ "cleanup.policy": "compact" });
  expect((await run(`${compacted} --all`)).stderr).toContain("POLICY_VIOLATION");
});
