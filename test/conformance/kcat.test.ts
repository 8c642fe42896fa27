import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, Consumer, orThrow, Producer, partitionOfKey } from "../../client/index.ts";
import { compressionCodecs } from "../../protocol/records/batch-header.ts";
import { TestCluster } from "../support/cluster.ts";
import { Kcat, noKcat } from "../support/outside/kcat.ts";
import { describeRecord, type PlacedRecord, type PlainRecord, sampleRecords } from "../support/outside/outside-client.ts";
import { storedBatches } from "../support/outside/stored-batches.ts";

const partitions = 3;

/** As a program would that makes a line every few milliseconds. */
function slowly(lines: readonly string[]): Readable {
  return Readable.from(
    (async function* () {
      for (const line of lines) {
        yield `${line}\n`;
        await sleep(4);
      }
    })(),
  );
}

describe.skipIf(noKcat !== null)(`kcat${noKcat === null ? "" : ` (${noKcat})`}`, () => {
  let cluster: TestCluster;
  let admin: Admin;
  let kcat: Kcat;
  let topicCount = 0;

  beforeAll(async () => {
    cluster = await TestCluster.start();
    admin = new Admin({ bootstrap: cluster.bootstrap });
    kcat = new Kcat(cluster.bootstrap);
  });

  afterAll(async () => {
    await admin?.close();
    await cluster?.stop();
  });

  async function newTopic(configs: Readonly<Record<string, string>> = {}, count = partitions): Promise<string> {
    const name = `kcat-${++topicCount}`;
    orThrow(await admin.createTopics([{ name, partitions: count, replicationFactor: 3, configs }]));
    return name;
  }

  async function described(topic: string) {
    const [description] = orThrow(await admin.describeTopics([topic]));
    if (description === undefined) throw new Error(`no ${topic}`);
    return description.partitions;
  }

  async function leaderOf(topic: string, partition: number): Promise<number> {
    return (await described(topic)).find((of) => of.partition === partition)?.leader ?? -1;
  }

  /** One partition, by our own client, which does not go through kcat's eyes. */
  async function readByUs(topic: string): Promise<PlacedRecord[]> {
    await using consumer = new Consumer({ bootstrap: cluster.bootstrap, stopAtEnd: true });
    await consumer.assign([{ topic, from: "beginning" }]);
    const found: PlacedRecord[] = [];
    for await (const { partition, offset, timestampMs, key, value, headers } of consumer)
      found.push({ partition, offset, timestampMs, key, value, headers: headers.map((header) => [header.key, header.value] as const) });
    return found;
  }

  /** Each key's values in order, and the partition that the key must be in. */
  function expectSameRecords(found: readonly PlacedRecord[], sent: readonly PlainRecord[], withTimestamp: boolean): void {
    for (let partition = 0; partition < partitions; partition++) {
      const there = found.filter((record) => record.partition === partition).sort((a, b) => a.offset - b.offset);
      const due = sent.filter(({ key }) => key !== null && partitionOfKey(key, partitions) === partition);
      expect(there.map((record) => describeRecord(record, withTimestamp))).toEqual(
        due.map((record) => describeRecord(record, withTimestamp)),
      );
      expect(there.map(({ offset }) => offset)).toEqual(due.map((_, offset) => offset));
    }
  }

  test("-L prints the cluster as it is", async () => {
    const topic = await newTopic();
    const { controllerId } = await admin.describeCluster();
    const printed = (await kcat.ok(["-L", "-t", topic])).trimEnd().split("\n");
    expect(printed[0]).toMatch(/^Metadata for kcat-\d+ \(from broker (\d+|-1): 127\.0\.0\.1:\d+\/(\d+|bootstrap)\):$/);
    expect(printed[1]).toBe(" 3 brokers:");
    expect(printed.slice(2, 5).sort()).toEqual(
      cluster.ids.map((id) => `  broker ${id} at ${cluster.address(id)}${id === controllerId ? " (controller)" : ""}`),
    );
    expect(printed.slice(5, 7)).toEqual([" 1 topics:", `  topic "${topic}" with ${partitions} partitions:`]);
    const lines = (await described(topic)).map(
      ({ partition, leader, replicas, isr }) =>
        `    partition ${partition}, leader ${leader}, replicas: ${replicas.join(",")}, isrs: ${isr.join(",")}`,
    );
    expect(printed.slice(7).sort()).toEqual(lines.sort());
  });

  test("-L -J prints the cluster as it is, and lists every topic", async () => {
    const topic = await newTopic();
    const whole = JSON.parse(await kcat.ok(["-L", "-J"])) as {
      controllerid: number;
      brokers: { id: number; name: string }[];
      topics: {
        topic: string;
        partitions: { partition: number; leader: number; replicas: { id: number }[]; isrs: { id: number }[] }[];
      }[];
    };
    expect(whole.controllerid).toBe((await admin.describeCluster()).controllerId);
    expect(whole.brokers.sort((a, b) => a.id - b.id)).toEqual(cluster.ids.map((id) => ({ id, name: cluster.address(id) })));
    expect(whole.topics.map((of) => of.topic).sort()).toEqual((await admin.listTopics()).map(({ name }) => name).sort());
    const listed = whole.topics.find((of) => of.topic === topic)?.partitions ?? [];
    expect(
      listed
        .map((of) => ({ ...of, replicas: of.replicas.map(({ id }) => id), isrs: of.isrs.map(({ id }) => id) }))
        .sort((a, b) => a.partition - b.partition),
    ).toEqual((await described(topic)).map(({ partition, leader, replicas, isr }) => ({ partition, leader, replicas, isrs: isr })));
  });

  test.each(compressionCodecs)("what it sends with codec %s is stored as it came, and read by it and by us", async (codec) => {
    const topic = await newTopic();
    const sent = sampleRecords("kcat", 300, kcat);
    await kcat.produce({ topic, codec, records: sent });
    expectSameRecords(await kcat.consume(topic), sent, false);
    expectSameRecords(await readByUs(topic), sent, false);
    for (let partition = 0; partition < partitions; partition++) {
      const batches = await storedBatches(cluster, await leaderOf(topic, partition), topic, partition);
      const codecs = new Set(batches.map((batch) => batch.codec));
      expect(codecs).toContain(codec);
      // librdkafka sends a batch as it is where compression makes it no smaller: on a busy machine one may have a single record
      expect(codecs.difference(new Set([codec, "none"]))).toEqual(new Set());
    }
    await cluster.replicasIdentical(topic);
  });

  test.each(compressionCodecs)("reads what our producer sends with codec %s", async (codec) => {
    const topic = await newTopic();
    const sent = sampleRecords("ottla", 300, { cannotSend: { nullHeaders: true } });
    await using producer = new Producer({ bootstrap: cluster.bootstrap, compression: codec, lingerMs: 5 });
    await Promise.all(sent.map(({ headers, ...record }) => producer.send({ topic, ...record, headers: Object.fromEntries(headers) })));
    expectSameRecords(await kcat.consume(topic), sent, true);
    for (let partition = 0; partition < partitions; partition++) {
      const batches = await storedBatches(cluster, await leaderOf(topic, partition), topic, partition);
      expect(new Set(batches.map((batch) => batch.codec))).toEqual(new Set([codec]));
    }
  });

  test("begins and ends where it is told: offset, offset from the end, timestamps", async () => {
    const topic = await newTopic();
    const firstMs = 1_700_000_000_000;
    await using producer = new Producer({ bootstrap: cluster.bootstrap });
    for (let from = 0; from < 100; from += 10)
      await Promise.all(
        Array.from({ length: 10 }, (_, i) =>
          producer.send({ topic, partition: 1, value: `v${from + i}`, timestampMs: firstMs + (from + i) * 1000 }),
        ),
      );
    const values = async (...args: string[]) =>
      (await kcat.read(["-t", topic, "-p", "1", ...args])).map(({ offset, value }) => [offset, value?.toString()]);
    const due = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => [from + i, `v${from + i}`]);
    expect(await values("-o", "37")).toEqual(due(37, 100));
    expect(await values("-o", "37", "-c", "5")).toEqual(due(37, 42));
    expect(await values("-o", "-7")).toEqual(due(93, 100));
    expect(await values("-o", "end")).toEqual([]);
    expect(await values("-o", `s@${firstMs + 42_000}`, "-o", `e@${firstMs + 57_000}`)).toEqual(due(42, 57));
    expect(await values("-o", `s@${firstMs + 41_001}`)).toEqual(due(42, 100));
    expect(await kcat.read(["-t", topic, "-p", "0", "-o", "beginning"])).toEqual([]);
  });

  test("-Q finds offsets by timestamp", async () => {
    const topic = await newTopic();
    const firstMs = 1_700_000_000_000;
    await using producer = new Producer({ bootstrap: cluster.bootstrap });
    for (let i = 0; i < 20; i++) await producer.send({ topic, partition: 2, value: `v${i}`, timestampMs: firstMs + i * 1000 });
    const query = async (partition: number, time: number) => (await kcat.ok(["-Q", "-t", `${topic}:${partition}:${time}`])).trim();
    expect(await query(2, firstMs)).toBe(`${topic} [2] offset 0`);
    expect(await query(2, firstMs + 6_500)).toBe(`${topic} [2] offset 7`);
    expect(await query(2, firstMs + 60_000)).toBe(`${topic} [2] offset -1`);
    expect(await query(2, -1)).toBe(`${topic} [2] offset 20`);
    expect(await query(2, -2)).toBe(`${topic} [2] offset 0`);
    expect(await query(0, firstMs)).toBe(`${topic} [0] offset -1`);
  });

  test.each(["0", "1", "-1"])("sends with acks=%s", async (acks) => {
    const topic = await newTopic();
    const lines = Array.from({ length: 500 }, (_, i) => `line ${i}`);
    await kcat.ok(["-P", "-t", topic, "-p", "0", "-X", `topic.acks=${acks}`], `${lines.join("\n")}\n`);
    // acks=0 and 1 return before the others have it
    await expect.poll(async () => (await readByUs(topic)).map(({ value }) => value?.toString()), { timeout: 10_000 }).toEqual(lines);
  });

  test("carries keys, empty values and null values", async () => {
    const topic = await newTopic();
    await kcat.ok(["-P", "-t", topic, "-p", "0", "-K", ":"], "a:1\nb:\n:3\n");
    await kcat.ok(["-P", "-t", topic, "-p", "0", "-K", ":", "-Z"], "a:\n");
    const found = (await readByUs(topic)).map(({ key, value }) => [key?.toString() ?? null, value?.toString() ?? null]);
    expect(found).toEqual([
      ["a", "1"],
      ["b", ""],
      ["", "3"],
      ["a", null],
    ]);
  });

  test("reads headers in their order, repeated ones too", async () => {
    const topic = await newTopic();
    await kcat.ok(["-P", "-t", topic, "-p", "0", "-H", "b=1", "-H", "a=2", "-H", "b=3", "-H", "c="], "x\n");
    const [ours] = await readByUs(topic);
    expect(ours?.headers.map(([name, value]) => [name, value?.toString()])).toEqual([
      ["b", "1"],
      ["a", "2"],
      ["b", "3"],
      ["c", ""],
    ]);
    const [theirs] = await kcat.read(["-t", topic, "-o", "beginning"]);
    expect(theirs?.headers).toEqual(ours?.headers);
  });

  test("a message near the limit goes through; one beyond it is refused with the protocol's error, and nothing is appended", async () => {
    const topic = await newTopic({ "max.message.bytes": "200000" }, 1);
    const near = Buffer.alloc(199_900, "n");
    await kcat.ok(["-P", "-t", topic, "-p", "0", "-D", "\\x01\\x02"], near);
    const refused = await kcat.run(
      ["-P", "-t", topic, "-p", "0", "-D", "\\x01\\x02", "-X", "message.max.bytes=1000000"],
      Buffer.alloc(200_001, "x"),
    );
    expect(refused.stderr).toMatch(/Delivery failed for message: Broker: Message size too large/);
    expect(refused.exitCode).not.toBe(0);
    const found = await kcat.read(["-t", topic, "-o", "beginning"]);
    expect(found.map(({ value }) => value?.length)).toEqual([near.length]);
    expect(found[0]?.value?.equals(near)).toBe(true);
  });

  test("writes and follows on while the leader is stopped and comes back", async () => {
    const topic = await newTopic({}, 1);
    const leader = await leaderOf(topic, 0);
    const lines = Array.from({ length: 1000 }, (_, i) => `line ${i}`);
    const follower = kcat.run(["-C", "-u", "-q", "-t", topic, "-p", "0", "-o", "beginning", "-c", String(lines.length)]);
    const writer = kcat.run(["-P", "-t", topic, "-p", "0", "-X", "linger.ms=0", "-X", "enable.idempotence=true"], slowly(lines));
    await expect.poll(async () => (await readByUs(topic)).length).toBeGreaterThan(50);
    await cluster.shutDown(leader);
    await cluster.startBroker(leader);
    expect((await writer).exitCode).toBe(0);
    const found = (await readByUs(topic)).map(({ value }) => value?.toString() ?? "");
    expect(found).toEqual(lines);
    const followed = (await follower).stdout.toString().trimEnd().split("\n");
    expect(followed).toEqual(lines);
    await cluster.replicasIdentical(topic);
  });

  test("is told that a topic or partition does not exist", async () => {
    const topic = await newTopic();
    const noPartition = await kcat.run(["-C", "-e", "-t", topic, "-p", "99"]);
    expect(noPartition.stderr).toMatch(/partition 99 does not exist/);
    const noTopic = await kcat.run(["-C", "-e", "-t", "no-such-topic", "-X", "allow.auto.create.topics=false"]);
    expect(noTopic.stderr).toMatch(/Unknown topic/i);
    expect(noTopic.exitCode).not.toBe(0);
  });
});
