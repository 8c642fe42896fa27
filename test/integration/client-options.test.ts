import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  Admin,
  BufferExhausted,
  type CompressionCodec,
  Consumer,
  type ConsumerRecord,
  DeliveryTimedOut,
  InvalidArgument,
  jsonSerde,
  KafkaProtocolError,
  msgpackSerde,
  orThrow,
  Producer,
  partitionOfKey,
  RecordTooLarge,
  stringSerde,
} from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { freePorts } from "../support/free-ports.ts";
import { waitUntil } from "../support/wait-until.ts";

let cluster: TestCluster;
let bootstrap: string[];
let admin: Admin;
let topicsCount = 0;

beforeAll(async () => {
  cluster = await TestCluster.start();
  bootstrap = cluster.bootstrap;
  admin = new Admin({ bootstrap });
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

async function newTopic(partitions = 1, configs: Record<string, string> = {}): Promise<string> {
  const name = `options-${++topicsCount}`;
  orThrow(await admin.createTopics([{ name, partitions, replicationFactor: 3, configs }]));
  return name;
}

async function readAll(topic: string): Promise<ConsumerRecord<string, string>[]> {
  await using consumer = new Consumer({ bootstrap, keySerde: stringSerde, valueSerde: stringSerde, stopAtEnd: true });
  await consumer.assign([{ topic, from: "beginning" }]);
  return await Array.fromAsync(consumer); // before it is closed
}

const values = async (topic: string) => (await readAll(topic)).map(({ value }) => value);

describe("producer", () => {
  test.each<CompressionCodec>(["none", "gzip", "snappy", "lz4", "zstd"])("compression %s: what is written is read", async (compression) => {
    const topic = await newTopic();
    await using producer = new Producer({ bootstrap, compression, lingerMs: 20 });
    const sent = Array.from({ length: 500 }, (_, i) => `${compression} ${i} ${"abc".repeat(i)}`);
    await producer.sendMany(sent.map((value) => ({ topic, value })));
    expect(await values(topic)).toEqual(sent);
  });

  test.each([0, 1, -1, "all"] as const)("acks %s", async (acks) => {
    const topic = await newTopic();
    await using producer = new Producer({ bootstrap, acks });
    const sent = await producer.sendMany(Array.from({ length: 50 }, (_, i) => ({ topic, value: `${i}` })));
    expect(sent.map(({ offset }) => offset)).toEqual(sent.map((_, i) => (acks === 0 ? -1 : i)));
    await waitUntil("all records to be there", async () => (await values(topic)).length === 50);
  });

  test("headers, timestamps, keys and tombstones arrive as they were sent", async () => {
    const topic = await newTopic();
    await using producer = new Producer({ bootstrap });
    await producer.send({
      topic,
      key: "k",
      value: null,
      headers: { one: "1", many: ["a", Buffer.from("b")], none: null },
      timestampMs: 1234,
    });
    const [record] = await readAll(topic);
    expect(record).toMatchObject({ key: "k", value: null, timestampMs: 1234, offset: 0, partition: 0 });
    expect(record?.headers.map(({ key, value }) => [key, value?.toString() ?? null])).toEqual([
      ["one", "1"],
      ["many", "a"],
      ["many", "b"],
      ["none", null],
    ]);
  });

  test("serdes carry values there and back", async () => {
    const topic = await newTopic();
    const at = new Date(99);
    await using json = new Producer({ bootstrap, keySerde: stringSerde, valueSerde: jsonSerde<{ n: number }>() });
    await json.send({ topic, key: "json", value: { n: 1 } });
    await using packed = new Producer({ bootstrap, valueSerde: msgpackSerde<{ at: Date }>() });
    await packed.send({ topic, value: { at } });
    await using consumer = new Consumer({ bootstrap, stopAtEnd: true });
    await consumer.assign([{ topic, from: "beginning" }]);
    const [first, second] = await Array.fromAsync(consumer);
    expect(jsonSerde().deserialize(first?.value as Buffer)).toEqual({ n: 1 });
    expect(msgpackSerde().deserialize(second?.value as Buffer)).toEqual({ at });
  });

  test("partitions: by key, by the caller, by a partitioner; none that is not there", async () => {
    const topic = await newTopic(6);
    await using producer = new Producer({ bootstrap });
    expect((await producer.send({ topic, key: "anna", value: "x" })).partition).toBe(partitionOfKey(Buffer.from("anna"), 6));
    expect((await producer.send({ topic, key: "anna", value: "x", partition: 5 })).partition).toBe(5);
    await expect(producer.send({ topic, value: "x", partition: 6 })).rejects.toBeInstanceOf(InvalidArgument);
    await using custom = new Producer({ bootstrap, partitioner: ({ value, partitionsCount }) => (value?.length ?? 0) % partitionsCount });
    expect((await custom.send({ topic, value: "four" })).partition).toBe(4);
  });

  test("records too large for the producer or for the topic fail alone", async () => {
    const topic = await newTopic(1, { "max.message.bytes": "2000" });
    await using producer = new Producer({ bootstrap, requestBytesMax: 10_000, lingerMs: 50 });
    const outcomes = await Promise.allSettled(
      ["a", "b".repeat(3_000), "c", "d".repeat(20_000), "e".repeat(1_500)].map((value) => producer.send({ topic, value })),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "rejected", "fulfilled"]);
    for (const outcome of outcomes) if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(RecordTooLarge);
    expect((await values(topic)).map((value) => value?.[0])).toEqual(["a", "c", "e"]);
  });

  test("a small buffer makes send wait, and keeps the order; leaving the block delivers everything", async () => {
    const topic = await newTopic();
    const sent = Array.from({ length: 2_000 }, (_, i) => `${i}`);
    {
      await using producer = new Producer({ bootstrap, bufferBytesMax: 20_000, lingerMs: 1_000 });
      for (const value of sent) void producer.send({ topic, value });
    }
    expect(await values(topic)).toEqual(sent);
  });

  test("without enough replicas, records fail at deliveryTimeoutMs, and a full buffer at maxBlockMs", async () => {
    const topic = await newTopic(1, { "min.insync.replicas": "3" });
    const [{ partitions } = { partitions: [] }] = orThrow(await admin.describeTopics([topic]));
    const follower = cluster.ids.find((id) => id !== partitions[0]?.leader) ?? 0;
    await cluster.kill(follower);
    await waitUntil("the follower to be out", async () => orThrow(await admin.describeTopics([topic]))[0]?.partitions[0]?.isr.length === 2);
    await using producer = new Producer({ bootstrap, deliveryTimeoutMs: 2_500, maxBlockMs: 500, bufferBytesMax: 2_000 });
    const beganAtMs = performance.now();
    const outcomes = await Promise.allSettled(["x", "y"].map((value) => producer.send({ topic, value: value.repeat(1_200) })));
    expect(outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason.constructor : null))).toEqual([
      DeliveryTimedOut,
      BufferExhausted,
    ]);
    expect((outcomes[0] as PromiseRejectedResult).reason.message).toContain("NOT_ENOUGH_REPLICAS");
    expect(performance.now() - beganAtMs).toBeLessThan(6_000);
    await cluster.startBroker(follower);
  });

  test("a signal ends the producer; a bootstrap list may name brokers that are away", async () => {
    const topic = await newTopic();
    const [dead = 0] = await freePorts(1);
    const abort = new AbortController();
    await using producer = new Producer({ bootstrap: [`127.0.0.1:${dead}`, cluster.address(2)], signal: abort.signal });
    expect((await producer.send({ topic, value: "x" })).offset).toBe(0);
    abort.abort();
    await expect(producer.send({ topic, value: "y" })).rejects.toMatchObject({ name: "ClientClosed" });
  });
});

describe("topics that change under running clients", () => {
  test("added partitions are found, and written to", async () => {
    const topic = await newTopic(1);
    await using producer = new Producer({ bootstrap, metadataMaxAgeMs: 500 });
    expect((await producer.send({ topic, value: "x" })).partition).toBe(0);
    orThrow(await admin.createPartitions([{ topic, count: 4 }]));
    const used = new Set<number>();
    await waitUntil("the new partitions to be used", async () => {
      for (let i = 0; i < 20; i++) used.add((await producer.send({ topic, key: `${i}`, value: "x" })).partition);
      return used.size === 4;
    });
  });

  test("a topic that is deleted and made again is another topic: both ends go on with the new one", async () => {
    const topic = await newTopic(1);
    await using producer = new Producer({ bootstrap, allowAutoTopicCreation: false });
    await using consumer = new Consumer({ bootstrap, valueSerde: stringSerde, offsetReset: "earliest" });
    for (let i = 0; i < 10; i++) await producer.send({ topic, value: `old ${i}` });
    await consumer.assign([{ topic, from: "beginning" }]);
    const seen: (string | null)[] = [];
    const reading = (async () => {
      for await (const { value } of consumer) seen.push(value);
    })();
    await waitUntil("the old records to be read", () => seen.length === 10);
    orThrow(await admin.deleteTopics([topic]));
    await waitUntil(
      "the topic to be gone",
      async () => (await admin.describeTopics([topic]))[0]?.error?.code === "UNKNOWN_TOPIC_OR_PARTITION",
    );
    orThrow(await admin.createTopics([{ name: topic, partitions: 1, replicationFactor: 3 }]));
    for (let i = 0; i < 3; i++) await producer.send({ topic, value: `new ${i}` });
    expect(await values(topic)).toEqual(["new 0", "new 1", "new 2"]);
    await waitUntil("the new records to be read", () => seen.length === 13);
    expect(seen.slice(10)).toEqual(["new 0", "new 1", "new 2"]);
    await consumer.close();
    await reading;
  });
});

describe("consumer", () => {
  test("begins where it is told to: beginning, end, an offset, a time", async () => {
    const topic = await newTopic();
    await using producer = new Producer({ bootstrap });
    for (let i = 0; i < 10; i++) await producer.send({ topic, value: `${i}`, timestampMs: 1_000 + i * 10 });
    for (const [from, expected] of [
      ["beginning", "0"],
      [{ offset: 4 }, "4"],
      [{ timestampMs: 1_035 }, "4"],
      ["end", "last"],
      [{ timestampMs: 9_999 }, "last"],
    ] as const) {
      await using consumer = new Consumer({ bootstrap, valueSerde: stringSerde });
      await consumer.assign([{ topic, from }]);
      await waitUntil("the position", () => consumer.position(topic, 0) >= 0);
      if (expected === "last") await producer.send({ topic, value: "last", timestampMs: 1_000 });
      for await (const { value } of consumer) {
        expect(value).toBe(expected);
        break;
      }
    }
  });

  test("stopAtEnd ends at once where there is nothing", async () => {
    expect(await readAll(await newTopic(3))).toEqual([]);
  });

  test("pause holds a partition back, resume and seek bring it on", async () => {
    const topic = await newTopic(2);
    await using producer = new Producer({ bootstrap });
    for (const partition of [0, 1]) for (let i = 0; i < 5; i++) await producer.send({ topic, partition, value: `${partition}:${i}` });
    await using consumer = new Consumer({ bootstrap, valueSerde: stringSerde });
    await consumer.assign([{ topic, from: "beginning" }]);
    consumer.pause([{ topic, partition: 0 }]);
    const records = consumer[Symbol.asyncIterator]();
    const next = async () => (await records.next()).value?.value;
    for (let i = 0; i < 5; i++) expect(await next()).toBe(`1:${i}`);
    consumer.seek({ topic, partition: 1 }, { offset: 4 });
    expect(await next()).toBe("1:4");
    consumer.resume([{ topic, partition: 0 }]);
    for (let i = 0; i < 5; i++) expect(await next()).toBe(`0:${i}`);
    expect(consumer.assignment().map(({ position, isPaused }) => [position, isPaused])).toEqual([
      [5, false],
      [5, false],
    ]);
    await waitUntil("no lag", () => consumer.assignment().every(({ lag }) => lag === 0));
  });

  test("a position that is gone follows offsetReset", async () => {
    const topic = await newTopic();
    await using producer = new Producer({ bootstrap });
    for (let i = 0; i < 3; i++) await producer.send({ topic, value: `${i}` });
    const firstFrom = async (offsetReset: "earliest" | "none") => {
      await using consumer = new Consumer({ bootstrap, valueSerde: stringSerde, offsetReset });
      await consumer.assign([{ topic, from: { offset: 50 } }]);
      for await (const { value } of consumer) return value;
      return null;
    };
    expect(await firstFrom("earliest")).toBe("0");
    await expect(firstFrom("none")).rejects.toMatchObject({ name: "OffsetOutOfRange", offset: 50 });
  });

  test("a signal ends the iteration; batches carry whole batches; small prefetch bounds only slow it", async () => {
    const topic = await newTopic(3);
    await using producer = new Producer({ bootstrap });
    await producer.sendMany(Array.from({ length: 3_000 }, (_, i) => ({ topic, key: `${i}`, value: "x".repeat(500) })));
    const abort = new AbortController();
    await using consumer = new Consumer({
      bootstrap,
      signal: abort.signal,
      prefetchBytesMax: 50_000,
      partitionBytesMax: 10_000,
      fetchBytesMax: 20_000,
    });
    await consumer.assign([{ topic, from: "beginning" }]);
    let count = 0;
    for await (const { records } of consumer.batches()) {
      count += records.length;
      if (count === 3_000) abort.abort();
    }
    expect(count).toBe(3_000);
  });

  test("an unknown topic is an error, at once", async () => {
    await using consumer = new Consumer({ bootstrap, requestTimeoutMs: 2_000 });
    await expect(consumer.assign([{ topic: "never-made" }])).rejects.toBeInstanceOf(KafkaProtocolError);
  });
});

test("admin: every operation, on a real cluster", async () => {
  const topic = await newTopic(2);
  expect((await admin.createTopics([{ name: topic, partitions: 1, replicationFactor: 1 }]))[0]?.error?.code).toBe("TOPIC_ALREADY_EXISTS");
  expect((await admin.createTopics([{ name: "dry", partitions: 1, replicationFactor: 1 }], { validateOnly: true }))[0]?.error).toBe(null);
  expect((await admin.describeTopics(["dry"]))[0]?.error?.code).toBe("UNKNOWN_TOPIC_OR_PARTITION");
  expect((await admin.listTopics()).map(({ name }) => name)).toContain(topic);
  const { brokers, controllerId, clusterId } = await admin.describeCluster();
  expect(brokers.map(({ id }) => id)).toEqual([1, 2, 3]);
  expect([1, 2, 3]).toContain(controllerId);
  expect(clusterId).toBeTruthy();

  const changes = [{ name: "retention.ms", operation: "set", value: "12345" } as const];
  orThrow(await admin.incrementalAlterConfigs([{ resource: { topic }, changes }]));
  await waitUntil("the setting to be known", async () => {
    const [described] = orThrow(await admin.describeConfigs([{ topic }], { names: ["retention.ms"] }));
    return described?.configs.length === 1 && described.configs[0]?.value === "12345" && described.configs[0].source === "topic";
  });
  orThrow(await admin.incrementalAlterConfigs([{ resource: { topic }, changes: [{ name: "retention.ms", operation: "delete" }] }]));
  const [ofBroker] = orThrow(await admin.describeConfigs([{ broker: 1 }]));
  expect(ofBroker?.configs.find(({ name }) => name === "min.insync.replicas")?.value).toBe("2");
  expect(
    (await admin.incrementalAlterConfigs([{ resource: { topic }, changes: [{ name: "no.such", operation: "set", value: "1" }] }]))[0]?.error
      ?.code,
  ).toBe("INVALID_CONFIG");

  orThrow(await admin.createPartitions([{ topic, count: 3 }]));
  expect((await admin.createPartitions([{ topic, count: 2 }]))[0]?.error?.code).toBe("INVALID_PARTITIONS");
  await using producer = new Producer({ bootstrap });
  await waitUntil("the third partition", async () => (await admin.describeTopics([topic]))[0]?.partitions?.length === 3);
  await producer.send({ topic, partition: 0, value: "a", timestampMs: 100 });
  await producer.send({ topic, partition: 0, value: "b", timestampMs: 200 });
  const specs = ["earliest", "latest", "max-timestamp", { timestampMs: 150 }] as const;
  const offsets = await admin.listOffsets(specs.map((spec) => ({ topic, partition: 0, spec })));
  expect(offsets.map(({ offset }) => offset)).toEqual([0, 2, 1, 1]);
  const [elected] = await admin.electLeaders("preferred", [{ topic, partition: 0 }]);
  expect(elected?.error === null || elected?.error?.code === "ELECTION_NOT_NEEDED").toBe(true);
  orThrow(await admin.deleteTopics([topic]));
  expect((await admin.deleteTopics(["never-made"]))[0]?.error?.code).toBe("UNKNOWN_TOPIC_OR_PARTITION");
});
