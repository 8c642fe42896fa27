import "../support/outside/kafkajs-patience.ts";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Kafka as KafkajsKafka, logLevel } from "kafkajs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, orThrow, Producer, stringSerde } from "../../client/index.ts";
import type { CompressionCodec } from "../../protocol/records/batch-header.ts";
import { decompressRecords } from "../../protocol/records/compression.ts";
import { decodeBatch } from "../../protocol/records/decode-batch.ts";
import { scanBatches } from "../../protocol/records/validate-batches.ts";
import { TestCluster } from "../support/cluster.ts";
import { Kcat, noKcat } from "../support/outside/kcat.ts";
import { OttlaClient } from "../support/outside/ottla-client.ts";
import type { PlacedRecord } from "../support/outside/outside-client.ts";
import { waitUntil } from "../support/wait-until.ts";

let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  const settings = { "log.cleaner.backoff.ms": 100, "offsets.topic.num.partitions": 1, "offsets.topic.segment.bytes": 6000 };
  cluster = await TestCluster.start({ settings: { ...settings, "log.cleaner.min.cleanable.ratio": 0.01 } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

/** Sends `count` records over `keys` keys; every key's last value is remembered in `newest`. */
async function produce(topic: string, codec: CompressionCodec, from: number, count: number, newest: Map<string, string>): Promise<void> {
  await using producer = new Producer({ bootstrap: cluster.bootstrap, keySerde: stringSerde, valueSerde: stringSerde, compression: codec });
  for (let at = from; at < from + count; at += 100) {
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => {
        const [key, value] = [`k${(at + i) % 23}`, `${at + i} ${"x".repeat(50)}`];
        newest.set(key, value);
        return producer.send({ topic, key, value });
      }),
    );
  }
}

/** kafkajs reads in groups only: until it has the record before `endOffset`. */
async function readWithKafkajs(topic: string, endOffset: number): Promise<Pick<PlacedRecord, "offset" | "key" | "value">[]> {
  const kafka = new KafkajsKafka({ brokers: cluster.bootstrap, logLevel: logLevel.NOTHING, retry: { initialRetryTime: 100, retries: 60 } });
  const consumer = kafka.consumer({ groupId: `reads-${topic}` });
  const found: Pick<PlacedRecord, "offset" | "key" | "value">[] = [];
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => void found.push({ ...message, offset: Number(message.offset) }) });
    await waitUntil("kafkajs has read to the end", () => found.at(-1)?.offset === endOffset - 1, { timeoutMs: 30_000 });
  } finally {
    await consumer.disconnect();
  }
  return found;
}

function newestIn(records: readonly Pick<PlacedRecord, "offset" | "key" | "value">[]): Map<string, string> {
  const sorted = [...records].sort((a, b) => a.offset - b.offset);
  return new Map(sorted.map(({ key, value }) => [String(key), String(value)]));
}

async function recordsOn(broker: number, topic: string): Promise<Pick<PlacedRecord, "offset" | "key" | "value">[]> {
  const bytes = (await cluster.logBytes(broker, topic, 0)) ?? Buffer.alloc(0);
  const { batches } = scanBatches(bytes);
  return batches.flatMap(({ position }) => [...decodeBatch(bytes, position, { decompress: decompressRecords })]);
}

/** Until little more than the active segment is left. */
async function compactedOn(broker: number, topic: string, atMost: number): Promise<void> {
  await waitUntil(`${topic} is compacted on broker ${broker}`, async () => (await recordsOn(broker, topic)).length <= atMost, {
    timeoutMs: 30_000,
  });
}

test("a compacted topic keeps every key's newest record; a follower that was away joins across the gaps; every client reads it", async () => {
  const topic = "latest";
  const configs = { "cleanup.policy": "compact", "segment.bytes": "20000", "min.cleanable.dirty.ratio": "0.01" };
  orThrow(await admin.createTopics([{ name: topic, assignment: [[1, 2, 3]], configs }]));
  const newest = new Map<string, string>();
  await produce(topic, "none", 0, 300, newest);
  await cluster.kill(3);
  for (const [i, codec] of (["gzip", "snappy", "lz4", "zstd", "none"] as const).entries())
    await produce(topic, codec, 300 + i * 800, 800, newest);
  await compactedOn(1, topic, 1200);
  await cluster.startBroker(3);
  await produce(topic, "none", 4300, 100, newest);

  await waitUntil("broker 3 has every key's newest record", async () => sameEntries(newestIn(await recordsOn(3, topic)), newest), {
    timeoutMs: 30_000,
  });
  for (const broker of [1, 2, 3]) expect(newestIn(await recordsOn(broker, topic))).toStrictEqual(newest);

  const readers: [string, () => Promise<readonly Pick<PlacedRecord, "offset" | "key" | "value">[]>][] = [
    ["ottla", () => new OttlaClient(cluster.bootstrap).consume(topic)],
    ["kafkajs", () => readWithKafkajs(topic, 4400)],
    ...(noKcat === null
      ? [["kcat", () => new Kcat(cluster.bootstrap).consume(topic)] as [string, () => Promise<readonly PlacedRecord[]>]]
      : []),
  ];
  for (const [name, read] of readers) {
    const records = await read();
    expect(newestIn(records), name).toStrictEqual(newest);
    expect(records.length, name).toBeLessThan(1300);
    expect(new Set(records.map(({ offset }) => offset)).size, name).toBe(records.length);
  }

  // the restarted broker leads now: what it copied is served
  await cluster.shutDown(1);
  await cluster.shutDown(2);
  await waitUntil("broker 3 serves the topic alone", async () => {
    const read = await new OttlaClient([cluster.address(3)]).consume(topic).catch(() => []);
    return sameEntries(newestIn(read), newest);
  });
  await cluster.startBroker(1);
  await cluster.startBroker(2);
}, 60_000);

test("the groups' own topic is compacted, and groups keep their positions over a restart of all brokers", async () => {
  orThrow(await admin.createTopics([{ name: "read", partitions: 3, replicationFactor: 3 }]));
  const commit = (groupId: string, offset: number) =>
    admin.alterGroupOffsets(
      groupId,
      [0, 1, 2].map((partition) => ({ topic: "read", partition, offset: offset + partition })),
    );
  await commit("seldom", 7);
  for (let offset = 0; offset < 150; offset++) await commit(`often-${offset % 2}`, offset);
  const folder = (id: number) => join(cluster.dataDirectory(id), "__consumer_offsets-0");
  const segments = async (id: number) => (await readdir(folder(id))).filter((name) => name.endsWith(".log")).length;
  const bytes = async (id: number) => ((await cluster.logBytes(id, "__consumer_offsets", 0)) ?? Buffer.alloc(0)).length;
  for (const id of cluster.ids)
    await waitUntil(`broker ${id} has compacted it`, async () => (await segments(id)) <= 4 && (await bytes(id)) < 20_000, {
      timeoutMs: 30_000,
    });

  await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
  await Promise.all(cluster.ids.map((id) => cluster.startBroker(id)));
  const positions = async (groupId: string) => {
    const found = await admin.listGroupOffsets(groupId);
    return [...found].sort((a, b) => a.partition - b.partition).map(({ offset }) => offset);
  };
  expect(await positions("seldom")).toStrictEqual([7, 8, 9]);
  expect(await positions("often-0")).toStrictEqual([148, 149, 150]);
  expect(await positions("often-1")).toStrictEqual([149, 150, 151]);
}, 60_000);

function sameEntries(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}
