import { expect, test } from "vitest";
import type { ConsumerBatch } from "../../../client/consumer/consumer-options.ts";
import type { FakeCluster } from "./fake-cluster.ts";
import { named, readingAll, world } from "./run-fixture.ts";

type Batch = ConsumerBatch<string, string>;
const valuesOf = ({ records }: Batch) => records.map(({ value }) => value as string);
const pause = (cluster: FakeCluster, durationMs: number) => new Promise<void>((resolve) => cluster.clock.schedule(durationMs, resolve));

test("batches are of one partition, of what is there, up to `batchRecordsMax`, in order, and several at once", async () => {
  const { cluster } = world({ partitions: 3, records: 25 });
  const consumer = await readingAll(cluster, { stopAtEnd: true });
  const batches: Batch[] = [];
  let [running, most] = [0, 0];
  await cluster.clock.until(
    consumer.runBatches({ concurrency: 2, batchRecordsMax: 10 }, async (batch) => {
      batches.push(batch);
      most = Math.max(most, ++running);
      await pause(cluster, 100);
      running--;
    }),
  );
  expect(most).toBe(2);
  for (let p = 0; p < 3; p++) {
    const ofPartition = batches.filter(({ partition }) => partition === p);
    expect(ofPartition.map(({ records }) => records.length)).toEqual([10, 10, 5]);
    expect(ofPartition.flatMap(valuesOf)).toEqual(named(p, 0, 25));
    expect(ofPartition[0]).toMatchObject({ topic: "t", highWatermark: 25 });
  }
});

test("a handler that throws is called again with what it has not marked as processed, and alone", async () => {
  const { cluster } = world({ records: 12 });
  const consumer = await readingAll(cluster, { stopAtEnd: true });
  const seen: [number, string[]][] = [];
  await cluster.clock.until(
    consumer.runBatches({ batchRecordsMax: 5, retries: 1 }, async (batch, { attempt, processed }) => {
      seen.push([attempt, valuesOf(batch)]);
      if (seen.length > 2) return;
      processed(seen.length === 1 ? 2 : 3);
      throw new Error("not now");
    }),
  );
  expect(seen).toEqual([
    [1, named(0, 0, 5)],
    [2, named(0, 3, 5)],
    [2, named(0, 4, 5)], // there was progress, so its failures are counted anew
    [1, named(0, 5, 10)],
    [1, named(0, 10, 12)],
  ]);
});

test("when it has failed for the last time the run rejects; the position is behind what was marked", async () => {
  const { cluster } = world({ records: 12 });
  const consumer = await readingAll(cluster);
  const failure = consumer.runBatches({ batchRecordsMax: 5 }, async (batch, { processed }) => {
    processed(batch.records[1]?.offset as number);
    throw new Error("broken");
  });
  await expect(cluster.clock.until(failure)).rejects.toThrow("broken");
  expect(consumer.position("t", 0)).toBe(2);
});

test("a handler that throws after it has marked everything is not called again", async () => {
  const { cluster } = world({ records: 4 });
  const consumer = await readingAll(cluster, { stopAtEnd: true });
  let calls = 0;
  await cluster.clock.until(
    consumer.runBatches({}, async (batch, { processed }) => {
      calls++;
      processed(batch.records.at(-1)?.offset as number);
      throw new Error("too late to matter");
    }),
  );
  expect([calls, consumer.position("t", 0)]).toEqual([1, 4]);
});

test("what a handler marks after nobody waits for it does not count", async () => {
  const { cluster } = world({ records: 4 });
  const consumer = await readingAll(cluster);
  const stop = new AbortController();
  const running = consumer.runBatches({ drainTimeoutMs: 100, signal: stop.signal }, async (_batch, { processed }) => {
    processed(0);
    await pause(cluster, 1_000);
    processed(2);
  });
  await cluster.clock.advance(50);
  stop.abort();
  await cluster.clock.until(running);
  await cluster.clock.advance(2_000);
  expect(consumer.position("t", 0)).toBe(1);
});
