import { describe, expect, test } from "vitest";
import { CorruptBatch } from "../../../client/base/errors.ts";
import type { FakePartition } from "./fake-partition.ts";
import { Conducted, named, readingAll, world } from "./run-fixture.ts";

/** Its last record claims more headers than there are bytes. */
function withDamagedEnd(batch: Buffer): Buffer {
  const damaged = Buffer.from(batch);
  damaged[damaged.length - 1] = 0x7f;
  return damaged;
}

describe("a run ends", () => {
  test("when its signal aborts: handlers that run are done first, and the next run goes on behind them", async () => {
    const { cluster } = world({ partitions: 2, records: 10 });
    const consumer = await readingAll(cluster, { stopAtEnd: true });
    const work = new Conducted(cluster);
    work.takesMs = () => 1_000;
    const stop = new AbortController();
    const running = consumer.run({ concurrency: 2, signal: stop.signal }, work.handle);
    await cluster.clock.advance(2_500);
    stop.abort();
    await cluster.clock.until(running);
    expect([work.of(0), work.of(1)]).toEqual([named(0, 0, 3), named(1, 0, 3)]);
    expect(work.signals.get("0:2")?.aborted).toBe(false);
    await cluster.clock.until(consumer.run({ concurrency: 2, signal: AbortSignal.abort() }, work.handle));
    expect(work.began).toHaveLength(6);
    await cluster.clock.until(consumer.run({ concurrency: 2 }, work.handle));
    expect([work.of(0), work.of(1)]).toEqual([named(0, 0, 10), named(1, 0, 10)]);
  });

  test("without a handler that takes too long: it is told, and its record comes again", async () => {
    const { cluster } = world({ partitions: 2, records: 4 });
    const consumer = await readingAll(cluster, { stopAtEnd: true });
    const work = new Conducted(cluster);
    work.takesMs = (value) => (value === "0:1" ? 60_000 : 10);
    const stop = new AbortController();
    const running = consumer.run({ concurrency: 2, drainTimeoutMs: 5_000, signal: stop.signal }, work.handle);
    await cluster.clock.advance(1_000);
    stop.abort();
    await cluster.clock.advance(4_900);
    expect(work.signals.get("0:1")?.aborted).toBe(false);
    await cluster.clock.advance(200);
    expect(work.signals.get("0:1")?.aborted).toBe(true);
    await running;
    expect([consumer.position("t", 0), consumer.position("t", 1)]).toEqual([1, 4]);
  });

  test("when the consumer closes, which waits for it; and at once when the consumer is aborted", async () => {
    const { cluster } = world({ records: 4 });
    for (const how of ["close", "abort"]) {
      const aborted = new AbortController();
      const consumer = await readingAll(cluster, { signal: aborted.signal });
      const work = new Conducted(cluster);
      work.takesMs = () => 1_000;
      const running = consumer.run({}, work.handle);
      await cluster.clock.advance(100);
      if (how === "abort") aborted.abort();
      else await cluster.clock.until(consumer.close());
      expect(work.finished).toEqual(how === "abort" ? [] : ["0:0"]);
      await cluster.clock.settle();
      await running;
      expect(work.signals.get("0:0")?.aborted).toBe(how === "abort");
    }
  });

  test("while a handler waits to be called again: it is not", async () => {
    const { cluster } = world({ records: 4 });
    const consumer = await readingAll(cluster);
    const work = new Conducted(cluster);
    work.fails = () => new Error("never");
    const stop = new AbortController();
    const running = consumer.run({ retries: Number.POSITIVE_INFINITY, retryDelayMs: 30_000, signal: stop.signal }, work.handle);
    await cluster.clock.advance(1_000);
    stop.abort();
    await cluster.clock.settle();
    await running;
    await cluster.clock.advance(100_000);
    expect(work.began).toEqual(["0:0"]);
    expect(consumer.position("t", 0)).toBe(0);
  });

  test("with a batch that cannot be read, after everything before it was handled, and whatever is paused", async () => {
    const { cluster, logs } = world({ partitions: 2, records: 30 });
    const [log] = logs as [FakePartition, FakePartition];
    log.batches = log.batches.map((batch, i) => (i === 10 ? withDamagedEnd(batch) : batch));
    const consumer = await readingAll(cluster, { checkCrc: false });
    const work = new Conducted(cluster);
    work.fails = (value, attempt) => (value === "0:17" && attempt === 1 ? new Error("not now") : null);
    const running = consumer.run({ concurrency: 2, retries: 1 }, work.handle);
    await cluster.clock.advance(100);
    consumer.pause([{ topic: "t", partition: 1 }]);
    await expect(cluster.clock.until(running)).rejects.toBeInstanceOf(CorruptBatch);
    expect(work.of(0)).toEqual(named(0, 0, 21));
    expect([consumer.position("t", 0), consumer.position("t", 1)]).toEqual([21, work.of(1).length]);
    consumer.seek({ topic: "t", partition: 0 }, { offset: 22 });
    consumer.resume([{ topic: "t", partition: 1 }]);
    const stop = new AbortController();
    const again = consumer.run({ concurrency: 2, signal: stop.signal }, work.handle);
    await cluster.clock.advance(2_000);
    stop.abort();
    await cluster.clock.until(again);
    expect([work.of(0).slice(21), work.of(1)]).toEqual([named(0, 22, 30), named(1, 0, 30)]);
  });

  test("with the failure of reading", async () => {
    const { cluster, logs } = world({ records: 4 });
    const consumer = await readingAll(cluster, { offsetReset: "none" });
    const work = new Conducted(cluster);
    consumer.seek({ topic: "t", partition: 0 }, { offset: 99 });
    await expect(cluster.clock.until(consumer.run({}, work.handle))).rejects.toMatchObject({ name: "OffsetOutOfRange" });
    expect(logs[0]?.endOffset).toBe(4);
  });
});
