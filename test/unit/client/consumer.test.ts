import { describe, expect, test } from "vitest";
import { CorruptBatch, InvalidArgument, KafkaProtocolError, LogTruncated, SerializationFailed } from "../../../client/base/errors.ts";
import { Consumer } from "../../../client/consumer/consumer.ts";
import type { ConsumerOptions, ConsumerRecord } from "../../../client/consumer/consumer-options.ts";
import { jsonSerde, stringSerde } from "../../../client/serialization/serde.ts";
import type { FetchRequest } from "../../../protocol/messages/fetch.ts";
import { fieldAt, sealBatch } from "../../../protocol/records/batch-header.ts";
import { compressRecords } from "../../../protocol/records/compression.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { consumerFor, fill, take, values, valuesOf } from "./consumer-fixture.ts";
import { FakeCluster, textRecord } from "./fake-cluster.ts";
import type { FakePartition } from "./fake-partition.ts";

describe("where reading begins", () => {
  test.each<[string, Parameters<Consumer["seek"]>[1], number]>([
    ["the beginning", "beginning", 0],
    ["an offset", { offset: 7 }, 7],
    ["a time", { timestampMs: 1_005 }, 5],
  ])("%s", async (_name, from, first) => {
    const cluster = new FakeCluster();
    fill(cluster.topic("t", [1])[0], 0, 20);
    const consumer = consumerFor(cluster);
    await cluster.clock.until(consumer.assign([{ topic: "t", partition: 0, from }]));
    const records = await take(cluster, consumer, 20 - first);
    expect(valuesOf(records)).toEqual(values(first, 20));
    expect(records[0]).toMatchObject({
      topic: "t",
      partition: 0,
      offset: first,
      timestampMs: 1_000 + first,
      key: null,
      headers: [],
      leaderEpoch: 0,
    });
    expect(consumer.assignment()).toEqual([
      {
        topic: "t",
        partition: 0,
        position: 20,
        highWatermark: 20,
        readableEnd: 20,
        logStartOffset: 0,
        lag: 0,
        isPaused: false,
        until: null,
      },
    ]);
  });

  test("the end, or a time later than every record: only what comes", async () => {
    const cluster = new FakeCluster();
    const [a, b] = cluster.topic("t", [1, 2]);
    fill(a, 0, 10);
    fill(b, 0, 10);
    const consumer = consumerFor(cluster);
    await cluster.clock.until(
      consumer.assign([
        { topic: "t", partition: 0 },
        { topic: "t", partition: 1, from: { timestampMs: 99_999 } },
      ]),
    );
    const reading = take(cluster, consumer, 2);
    await cluster.clock.advance(1_200);
    fill(a, 10, 11);
    fill(b, 10, 11);
    expect((await reading).map(({ partition, offset }) => [partition, offset]).sort()).toEqual([
      [0, 10],
      [1, 10],
    ]);
  });

  test("a topic, a partition or a place that does not exist is an error", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1]);
    const consumer = consumerFor(cluster, { requestTimeoutMs: 1_000 });
    await expect(cluster.clock.until(consumer.assign([{ topic: "nowhere" }]))).rejects.toBeInstanceOf(KafkaProtocolError);
    await expect(cluster.clock.until(consumer.assign([{ topic: "t", partition: 1 }]))).rejects.toBeInstanceOf(KafkaProtocolError);
    await expect(cluster.clock.until(consumer.assign([{ topic: "t", from: { offset: -1 } }]))).rejects.toBeInstanceOf(InvalidArgument);
    expect(() => consumer.seek({ topic: "t", partition: 0 }, "end")).toThrow(InvalidArgument);
  });
});

describe("reading", () => {
  test("whole topics, each partition in order, until the end as it was", async () => {
    const cluster = new FakeCluster();
    const partitions = cluster.topic("t", [1, 2, 1]);
    for (const partition of partitions) fill(partition, 0, 50, 3);
    cluster.topic("empty", [2]);
    const consumer = consumerFor(cluster, { stopAtEnd: true, partitionBytesMax: 300 });
    await cluster.clock.until(
      consumer.assign([
        { topic: "t", from: "beginning" },
        { topic: "empty", from: "beginning" },
      ]),
    );
    for (const partition of partitions) fill(partition, 50, 60, 3);
    const records: ConsumerRecord<string, string>[] = [];
    await cluster.clock.until(
      (async () => {
        for await (const record of consumer) records.push(record);
      })(),
    );
    for (const index of partitions.keys()) expect(valuesOf(records.filter(({ partition }) => partition === index))).toEqual(values(0, 50));
    expect(consumer.position("t", 0)).toBe(50);
  });

  test.each(["gzip", "snappy", "lz4", "zstd"] as const)("%s, and batches at a time", async (codec) => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    const records = values(0, 100).map((value) => textRecord(value, "k"));
    partition?.append(encodeBatch(records, { codec, compress: compressRecords }));
    partition?.append(encodeBatch(records.slice(0, 1), { codec, compress: compressRecords }));
    const consumer = consumerFor(cluster, { stopAtEnd: true });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: { offset: 90 } }]));
    const sizes: number[] = [];
    await cluster.clock.until(
      (async () => {
        for await (const batch of consumer.batches()) sizes.push(batch.records.length);
      })(),
    );
    expect(sizes).toEqual([10, 1]);
  });

  test("a batch of very many records is handed out in parts, and goes on where a part ended", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    const count = 150_000;
    const records = Array.from({ length: count }, (_, i) => textRecord(`${i % 10}`));
    partition?.append(encodeBatch(records, { codec: "zstd", compress: compressRecords }));
    const consumer = consumerFor(cluster, { stopAtEnd: true });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: { offset: 7 } }]));
    const parts: number[] = [];
    await cluster.clock.until(
      (async () => {
        for await (const { records } of consumer.batches()) {
          expect(records[0]?.offset).toBe(7 + parts.reduce((sum, length) => sum + length, 0));
          parts.push(records.length);
          expect(consumer.position("t", 0)).toBe((records.at(-1)?.offset ?? 0) + 1);
        }
      })(),
    );
    expect(parts.reduce((sum, length) => sum + length, 0)).toBe(count - 7);
    expect(Math.max(...parts)).toBeLessThanOrEqual(65_536);
  });

  test("headers cost memory as objects: batches of them are handed out in parts too, and more of them than a record may have are refused", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    const withHeaders = (count: number) => ({
      ...textRecord("v"),
      headers: Array.from({ length: count }, () => ({ key: "", value: null })),
    });
    partition?.append(
      encodeBatch(
        [1, 2, 3, 4].map(() => withHeaders(60_000)),
        { codec: "zstd", compress: compressRecords },
      ),
    );
    partition?.append(encodeBatch([textRecord("before"), withHeaders(65_537)], { codec: "zstd", compress: compressRecords }));
    const consumer = consumerFor(cluster);
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    const sizes: number[] = [];
    const reading = (async () => {
      for await (const { records } of consumer.batches()) sizes.push(records.length);
    })();
    await expect(cluster.clock.until(reading)).rejects.toThrow(/65537 headers/);
    expect(sizes).toEqual([3, 1, 1]);
    expect(consumer.position("t", 0)).toBe(5);
  });

  test("control batches and the gaps of compaction are passed over", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    fill(partition, 0, 2);
    const marker = { key: Buffer.from([0, 0, 0, 1]), value: Buffer.alloc(6), timestampMs: 1 };
    partition?.append(encodeBatch([marker], { isControl: true, producerId: 1, producerEpoch: 0, isTransactional: true }));
    const gapped = encodeBatch([textRecord("v3"), textRecord("v4")]);
    gapped.writeInt32BE(9, fieldAt.lastOffsetDelta);
    sealBatch(gapped, 0, gapped.length);
    partition?.append(gapped);
    fill(partition, 13, 14);
    const consumer = consumerFor(cluster);
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    expect((await take(cluster, consumer, 5)).map(({ offset }) => offset)).toEqual([0, 1, 3, 4, 13]);
  });

  test("leaving the loop in the middle of a batch loses nothing; seek and pause void what was fetched ahead", async () => {
    const cluster = new FakeCluster();
    const [a, b] = cluster.topic("t", [1, 1]);
    fill(a, 0, 30, 5);
    const consumer = consumerFor(cluster);
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    expect(valuesOf(await take(cluster, consumer, 3))).toEqual(values(0, 3));
    expect(consumer.position("t", 0)).toBe(3);
    expect(valuesOf(await take(cluster, consumer, 4))).toEqual(values(3, 7));
    consumer.seek({ topic: "t", partition: 0 }, { offset: 21 });
    expect(valuesOf(await take(cluster, consumer, 2))).toEqual(values(21, 23));
    consumer.pause([{ topic: "t", partition: 0 }]);
    fill(b, 0, 2);
    expect((await take(cluster, consumer, 2)).map(({ partition }) => partition)).toEqual([1, 1]);
    consumer.resume([{ topic: "t", partition: 0 }]);
    expect(valuesOf(await take(cluster, consumer, 7))).toEqual(values(23, 30));
  });

  test("what is fetched ahead is bounded, and a slow reader still gets everything", async () => {
    const cluster = new FakeCluster();
    const partitions = cluster.topic("t", [1, 2]);
    for (const partition of partitions) fill(partition, 0, 400, 2);
    const asked: number[] = [];
    cluster.intercept = ({ api, request }) => {
      if (api === "Fetch") asked.push((request as FetchRequest).maxBytes);
      return undefined;
    };
    const consumer = consumerFor(cluster, { prefetchBytesMax: 3_000, fetchBytesMax: 2_000, partitionBytesMax: 500, stopAtEnd: true });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    await cluster.clock.advance(60_000);
    expect(asked.length).toBeLessThan(20);
    expect(Math.max(...asked)).toBeLessThanOrEqual(2_000);
    let count = 0;
    await cluster.clock.until(
      (async () => {
        for await (const _record of consumer) count++;
      })(),
    );
    expect(count).toBe(800);
  });

  test("one iteration at a time; close ends it", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1]);
    const consumer = consumerFor(cluster);
    await cluster.clock.until(consumer.assign([{ topic: "t" }]));
    const waiting = consumer[Symbol.asyncIterator]().next();
    expect(() => consumer.batches()).toThrow(InvalidArgument);
    await cluster.clock.advance(2_000);
    await consumer.close();
    expect(await cluster.clock.until(waiting)).toEqual({ value: undefined, done: true });
  });
});

describe("leaders that change", () => {
  test("a partition that has none for a while is read once it has one", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [-1]);
    fill(partition, 0, 2);
    const consumer = consumerFor(cluster);
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    const reading = take(cluster, consumer, 2);
    await cluster.clock.advance(3_000);
    cluster.moveLeader("t", 0, 2);
    expect(valuesOf(await cluster.clock.until(reading))).toEqual(values(0, 2));
  });

  test("are followed, wherever the news comes from", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    fill(partition, 0, 4);
    const consumer = consumerFor(cluster);
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    await take(cluster, consumer, 4);
    cluster.moveLeader("t", 0, 2);
    fill(partition, 4, 8);
    expect(valuesOf(await take(cluster, consumer, 4))).toEqual(values(4, 8));
    expect(cluster.requests).toContain("OffsetForLeaderEpoch@2");
    await cluster.kill(2);
    cluster.moveLeader("t", 0, 1);
    fill(partition, 8, 10);
    const records = await take(cluster, consumer, 2);
    expect(records.map(({ value, leaderEpoch }) => [value, leaderEpoch])).toEqual([
      ["v8", 2],
      ["v9", 2],
    ]);
  });

  test.each<[ConsumerOptions<string, string>["offsetReset"]]>([["latest"], ["none"]])(
    "a log that was truncated below the position is noticed (reset %s)",
    async (offsetReset) => {
      const cluster = new FakeCluster();
      const [partition] = cluster.topic("t", [1]) as [FakePartition];
      fill(partition, 0, 10);
      const consumer = consumerFor(cluster, { offsetReset });
      await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
      await take(cluster, consumer, 10);
      partition.batches.length = 2; // an unclean election: only the first four records are left
      cluster.moveLeader("t", 0, 2);
      partition.appendRecords(values(0, 8).map((value) => textRecord(`new ${value}`)));
      if (offsetReset === "none") {
        const error = await take(cluster, consumer, 1).catch((e: unknown) => e);
        expect(error).toBeInstanceOf(LogTruncated);
        expect(error).toMatchObject({ topic: "t", partition: 0, offset: 4 });
        consumer.seek({ topic: "t", partition: 0 }, { offset: 5 });
        expect(valuesOf(await take(cluster, consumer, 1))).toEqual(["new v1"]);
      } else {
        expect((await take(cluster, consumer, 8)).map(({ offset, value }) => [offset, value])).toEqual(
          values(0, 8).map((value, i) => [4 + i, `new ${value}`]),
        );
      }
    },
  );
});

describe("damage", () => {
  test("a batch with a wrong CRC stops the iteration there, after what came before it", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]) as [FakePartition];
    fill(partition, 0, 8);
    const third = partition.batches[2] as Buffer;
    third[third.length - 2] = (third[third.length - 2] as number) ^ 1;
    const consumer = consumerFor(cluster);
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    expect(valuesOf(await take(cluster, consumer, 4))).toEqual(values(0, 4));
    const error = await take(cluster, consumer, 1).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CorruptBatch);
    expect(error).toMatchObject({ offset: 4 });
    consumer.seek({ topic: "t", partition: 0 }, { offset: 6 });
    expect(valuesOf(await take(cluster, consumer, 2))).toEqual(values(6, 8));
  });

  test("a value that cannot be read stops the iteration with the position at it", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    partition?.appendRecords([textRecord("1"), textRecord("{"), textRecord("3")]);
    const consumer = new Consumer<Buffer, number>({ ...cluster.options, valueSerde: jsonSerde<number>() });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    const iterator = consumer[Symbol.asyncIterator]();
    expect((await cluster.clock.until(iterator.next())).value.value).toBe(1);
    await expect(cluster.clock.until(iterator.next())).rejects.toBeInstanceOf(SerializationFailed);
    expect(consumer.position("t", 0)).toBe(1);
    consumer.seek({ topic: "t", partition: 0 }, { offset: 2 });
    expect((await cluster.clock.until(consumer[Symbol.asyncIterator]().next())).value.value).toBe(3);
  });
});

test("fetches that wait at two brokers do not use up the room of a third", async () => {
  const cluster = new FakeCluster([1, 2, 3]);
  const [, , third] = cluster.topic("t", [1, 2, 3]);
  fill(third, 0, 10);
  // two fetches may reserve all of it
  const consumer = consumerFor(cluster, { prefetchBytesMax: 4_000, fetchBytesMax: 2_000, partitionBytesMax: 500 });
  await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
  expect(valuesOf(await take(cluster, consumer, 10))).toEqual(values(0, 10));
  await consumer.close();
});

describe("a topic that is deleted and made again", () => {
  test.each([
    ["earliest", "new 0"],
    ["latest", "later"],
  ] as const)("is another topic: with offsetReset %s reading goes on with %s", async (offsetReset, expected) => {
    const cluster = new FakeCluster();
    const [old] = cluster.topic("t", [1]);
    old?.appendRecords([textRecord("old 0"), textRecord("old 1")]);
    const consumer = new Consumer<Buffer, string>({ ...cluster.options, valueSerde: stringSerde, offsetReset, metadataMaxAgeMs: 1_000 });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    const records = consumer[Symbol.asyncIterator]();
    const next = async () => (await cluster.clock.until(records.next())).value?.value;
    expect([await next(), await next()]).toEqual(["old 0", "old 1"]);
    const [made] = cluster.topic("t", [1], `${"A".repeat(21)}Q`);
    // as many as were read of the old one: the position alone tells nothing
    made?.appendRecords([textRecord("new 0"), textRecord("new 1"), textRecord("new 2")]);
    const following = next();
    await cluster.clock.advance(4_000);
    if (offsetReset === "latest") made?.appendRecords([textRecord("later")]);
    expect(await following).toBe(expected);
  });
});
