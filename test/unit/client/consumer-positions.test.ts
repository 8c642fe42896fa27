import { describe, expect, test } from "vitest";
import { OffsetOutOfRange } from "../../../client/base/errors.ts";
import type { ConsumerRecord } from "../../../client/consumer/consumer-options.ts";
import { consumerFor, fill, take, values, valuesOf } from "./consumer-fixture.ts";
import { FakeCluster } from "./fake-cluster.ts";
import type { FakePartition } from "./fake-partition.ts";

describe("positions that are not in the log", () => {
  test.each([
    ["earliest", [50, 51]],
    ["latest", [60, 61]],
  ] as const)("%s", async (offsetReset, expected) => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]) as [FakePartition];
    partition.startOffset = 50;
    fill(partition, 50, 60);
    const consumer = consumerFor(cluster, { offsetReset });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: { offset: 3 } }]));
    const reading = take(cluster, consumer, 2);
    await cluster.clock.advance(1_000);
    fill(partition, 60, 62);
    expect((await reading).map(({ offset }) => offset)).toEqual(expected);
  });

  test.each([
    ["earliest", values(50, 60)],
    ["latest", []],
    ["none", OffsetOutOfRange],
  ] as const)("%s, also behind an end where reading is to stop", async (offsetReset, expected) => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]) as [FakePartition];
    partition.startOffset = 50;
    fill(partition, 50, 60);
    const consumer = consumerFor(cluster, { offsetReset, stopAtEnd: true });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: { offset: 100 } }]));
    const records: ConsumerRecord<string, string>[] = [];
    const reading = (async () => {
      for await (const record of consumer) records.push(record);
    })();
    if (expected === OffsetOutOfRange) await expect(cluster.clock.until(reading)).rejects.toBeInstanceOf(OffsetOutOfRange);
    else {
      await cluster.clock.until(reading);
      expect(valuesOf(records)).toEqual(expected);
    }
  });

  test("reading leaves each partition where it was told to, or at its end as it was, and then ends", async () => {
    const cluster = new FakeCluster();
    const logs = cluster.topic("t", [1, 1, 1, 1, 1]);
    for (const log of logs) fill(log, 0, 10, 4);
    const consumer = consumerFor(cluster, { offsetReset: "none" });
    const untils = [{ offset: 5 }, { timestampMs: 1_007 }, "end", { offset: 99 }, { timestampMs: 5_000 }] as const;
    const from = { offset: 3 };
    await cluster.clock.until(consumer.assign(untils.map((until, partition) => ({ topic: "t", partition, from, until }))));
    expect(consumer.assignment().map(({ until }) => until)).toEqual([5, 7, 10, 10, 10]);
    for (const log of logs) fill(log, 10, 20);
    const records: ConsumerRecord<string, string>[] = [];
    await cluster.clock.until(
      (async () => {
        for await (const record of consumer) records.push(record);
      })(),
    );
    for (const [index, end] of [5, 7, 10, 10, 10].entries())
      expect(valuesOf(records.filter(({ partition }) => partition === index))).toEqual(values(3, end));
  });

  test("a partition that is to be left before where reading begins has no records, and one without such an end goes on", async () => {
    const cluster = new FakeCluster();
    const logs = cluster.topic("t", [1, 1]);
    for (const log of logs) fill(log, 0, 10);
    const consumer = consumerFor(cluster);
    const both = [
      { topic: "t", partition: 0, from: { offset: 6 }, until: { offset: 2 } },
      { topic: "t", partition: 1, from: { offset: 8 } },
    ];
    await cluster.clock.until(consumer.assign(both));
    expect(consumer.assignment().map(({ until }) => until)).toEqual([2, null]);
    const reading = take(cluster, consumer, 4);
    for (const log of logs) fill(log, 10, 12);
    expect(valuesOf(await reading)).toEqual(["v8", "v9", "v10", "v11"]);
  });

  test("a position that the log has by now, behind the end as it was, is where reading stops", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]) as [FakePartition];
    fill(partition, 0, 10);
    const consumer = consumerFor(cluster, { offsetReset: "none", stopAtEnd: true });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    fill(partition, 10, 20);
    consumer.seek({ topic: "t", partition: 0 }, { offset: 12 });
    const records: ConsumerRecord<string, string>[] = [];
    await cluster.clock.until(
      (async () => {
        for await (const record of consumer) records.push(record);
      })(),
    );
    expect(valuesOf(records)).toEqual([]);
  });

  test("none: the iteration fails, and goes on after a seek", async () => {
    const cluster = new FakeCluster();
    const [partition] = cluster.topic("t", [1]);
    fill(partition, 0, 4);
    const consumer = consumerFor(cluster, { offsetReset: "none" });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: { offset: 99 } }]));
    const error = await take(cluster, consumer, 1).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OffsetOutOfRange);
    expect(error).toMatchObject({ topic: "t", partition: 0, offset: 99 });
    consumer.seek({ topic: "t", partition: 0 }, "beginning");
    expect(valuesOf(await take(cluster, consumer, 4))).toEqual(values(0, 4));
  });
});
