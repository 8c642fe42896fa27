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
