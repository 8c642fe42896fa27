import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, Consumer, orThrow, Producer } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { Kcat, noKcat } from "../support/outside/kcat.ts";
import { waitUntil } from "../support/wait-until.ts";

let cluster: TestCluster;
let admin: Admin;
let topics = 0;

beforeAll(async () => {
  // everything is read from disk, and checked, and only where a client reads it
  const settings = {
    "ottla.log.tail.cache.max.bytes": 0,
    "ottla.log.checked.remember.ms": 0,
    "ottla.log.scrub.max.bytes.per.second": 0,
    "min.insync.replicas": 1,
  };
  cluster = await TestCluster.start({ settings });
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

async function newTopic(configs: Readonly<Record<string, string>>, replicationFactor = 3): Promise<string> {
  const topic = `durable-${++topics}`;
  orThrow(await admin.createTopics([{ name: topic, partitions: 1, replicationFactor, configs }]));
  await waitUntil("every replica in sync", async () => (await stateOf(topic)).isr.length === replicationFactor);
  return topic;
}

async function stateOf(topic: string): Promise<{ readonly leader: number; readonly isr: readonly number[] }> {
  return orThrow(await admin.describeTopics([topic]))[0]?.partitions[0] ?? { leader: -1, isr: [] };
}

async function consume(topic: string): Promise<string[]> {
  await using consumer = new Consumer({ bootstrap: cluster.bootstrap, offsetReset: "none", stopAtEnd: true });
  await consumer.assign([{ topic, partition: 0, from: "beginning" }]);
  const values: string[] = [];
  for await (const { value } of consumer) values.push(String(value));
  return values;
}

/** Sixty records, each a batch of its own, ten or so to a segment. */
async function filled(replicationFactor: number): Promise<{ readonly topic: string; readonly values: readonly string[] }> {
  const topic = await newTopic({ "segment.bytes": "2000" }, replicationFactor);
  const values = Array.from({ length: 60 }, (_, number) => `${number} ${"x".repeat(100)}`);
  await using producer = new Producer({ bootstrap: cluster.bootstrap });
  for (const value of values) await producer.send({ topic, partition: 0, value });
  return { topic, values };
}

/** Changes a bit in the middle of the leader's second segment. Returns the leader. */
async function damageLeader(topic: string): Promise<number> {
  const { leader } = await stateOf(topic);
  const folder = join(cluster.dataDirectory(leader), `${topic}-0`);
  const [, name] = (await readdir(folder)).filter((file) => file.endsWith(".log")).sort();
  const file = await open(join(folder, name!), "r+");
  try {
    const at = Math.floor((await file.stat()).size / 2);
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
    buffer[0]! ^= 0x10;
    await file.write(buffer, 0, 1, at);
  } finally {
    await file.close();
  }
  return leader;
}

test("with flush.messages=1, what many producers were told is there after all brokers were killed", async () => {
  const topic = await newTopic({ "flush.messages": "1", "min.insync.replicas": "2" });
  const acknowledged: string[] = [];
  const producers = Array.from(
    { length: 8 },
    () => new Producer({ bootstrap: cluster.bootstrap, deliveryTimeoutMs: 3000, requestTimeoutMs: 1500 }),
  );
  let isOver = false;
  const sending = producers.map(async (producer, which) => {
    for (let number = 0; !isOver; number++) {
      const value = `${which}-${number}`;
      await producer.send({ topic, partition: 0, value }).then(
        () => void acknowledged.push(value),
        () => undefined,
      );
    }
  });
  await waitUntil("records are acknowledged", () => acknowledged.length >= 400);
  await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
  isOver = true;
  const told = acknowledged.length;
  await Promise.all(cluster.ids.map((id) => cluster.startBroker(id)));
  await Promise.all(sending);
  await Promise.all(producers.map((producer) => producer.close().catch(() => undefined)));
  await waitUntil("whole again", async () => (await stateOf(topic)).isr.length === 3);
  const found = await consume(topic);
  expect(told).toBeGreaterThanOrEqual(400);
  expect(acknowledged.filter((value) => !found.includes(value))).toEqual([]);
  expect(new Set(found).size).toBe(found.length);
  await cluster.replicasIdentical(topic);
});

const readers: Readonly<Record<string, (topic: string) => Promise<readonly string[]>>> = {
  "our consumer": consume,
  ...(noKcat === null
    ? {
        kcat: async (topic: string) =>
          (await new Kcat(cluster.bootstrap).read(["-t", topic, "-p", "0", "-o", "beginning"])).map(({ value }) => String(value)),
      }
    : {}),
};

test.each(Object.entries(readers))(
  "%s gets the right records though a leader's file is damaged; another leads, and the damaged replica is copied again",
  async (_name, read) => {
    const { topic, values } = await filled(3);
    const damaged = await damageLeader(topic);
    expect(await read(topic)).toEqual(values);
    await waitUntil("another leads, and all are in sync", async () => {
      const { leader, isr } = await stateOf(topic);
      return leader > 0 && isr.length === 3;
    });
    await cluster.replicasIdentical(topic);
    const said = (await readFile(cluster.logFile(damaged), "utf8"))
      .split("\n")
      .filter((line) => line.includes("is damaged and is not served"));
    expect(said.some((line) => line.includes(`${topic}-0/`) && line.includes('"position"'))).toBe(true);
    const names = await readdir(join(cluster.dataDirectory(damaged), `${topic}-0`));
    expect(names).not.toContain("ottla-damage");
    expect(await read(topic)).toEqual(values);
  },
);

test("where there is no other replica, our consumer is told that a batch is damaged", async () => {
  const { topic } = await filled(1);
  await damageLeader(topic);
  await expect(consume(topic)).rejects.toThrow(/CORRUPT_MESSAGE|corrupt/i);
  expect((await stateOf(topic)).leader).toBeGreaterThan(0);
});

test.skipIf(noKcat !== null)(`where there is no other replica, kcat reports an error${noKcat === null ? "" : ` (${noKcat})`}`, async () => {
  const { topic, values } = await filled(1);
  await damageLeader(topic);
  const { exitCode, stderr, stdout } = await new Kcat(cluster.bootstrap).run([
    "-C",
    "-t",
    topic,
    "-p",
    "0",
    "-o",
    "beginning",
    "-e",
    "-X",
    "fetch.wait.max.ms=20",
  ]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("Broker: Invalid message");
  // what is before
  expect(stdout.toString().split("\n")).toContain(values[0]);
});
