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
  test.each([[10_000], [2]])(
    "when its signal aborts: handlers that run are done first, and the next run goes on behind them (of %i taken)",
    async (taken) => {
      const { cluster } = world({ partitions: 2, records: 10 });
      const consumer = await readingAll(cluster, { stopAtEnd: true });
      const work = new Conducted(cluster);
      work.takesMs = () => 1_000;
      const stop = new AbortController();
      const running = consumer.run({ concurrency: 2, pendingRecordsMax: taken, signal: stop.signal }, work.handle);
      await cluster.clock.advance(2_500);
      stop.abort();
      await cluster.clock.until(running);
      expect([work.of(0), work.of(1)]).toEqual([named(0, 0, 3), named(1, 0, 3)]);
      expect(work.signals.get("0:2")?.aborted).toBe(false);
      await cluster.clock.until(consumer.run({ concurrency: 2, signal: AbortSignal.abort() }, work.handle));
      expect(work.began).toHaveLength(6);
      await cluster.clock.until(consumer.run({ concurrency: 2 }, work.handle));
      expect([work.of(0), work.of(1)]).toEqual([named(0, 0, 10), named(1, 0, 10)]);
    },
  );

  test("by key: after what lies between records that were handled; but not after what failed, or waits to be tried again", async () => {
    const scenarios = [
      ["nothing fails", null, 20],
      ["a record waits", "0:6", 6],
      ["a record fails meanwhile", "0:9", 9],
    ] as const;
    for (const [name, failing, position] of scenarios) {
      const { cluster } = world({ records: 200, keys: 10 });
      const consumer = await readingAll(cluster);
      const work = new Conducted(cluster);
      // of the keys 3 and 9 the first take long, and then others lie between records that were begun
      const long = new Map([
        ["0:3", 2_000],
        ["0:9", 1_500],
        ["0:23", 100_000],
      ]);
      work.takesMs = (value) => long.get(value) ?? (Number(value.slice(2)) < 20 ? 10 : 50_000);
      work.fails = (value) => (value === failing ? new Error("not now") : null);
      const stop = new AbortController();
      const retrying = { retries: 9, retryDelayMs: 60_000, retryDelayMaxMs: 60_000 };
      const options = { concurrency: 10, orderBy: "key", signal: stop.signal, drainTimeoutMs: 5_000, ...retrying } as const;
      const running = consumer.run(options, work.handle);
      await cluster.clock.advance(1_000);
      const before = work.began.length;
      stop.abort();
      await cluster.clock.until(running);
      expect(consumer.position("t", 0), name).toBe(position);
      expect(work.began.slice(before), name).toEqual(failing === null ? ["0:19", "0:13", "0:23"] : []);
      await cluster.clock.until(consumer.close());
    }
  });

  test.each([["a failure"], ["a pause of the partition"]])(
    "by key: not after what lies between them where that is of no use: after %s",
    async (what) => {
      const { cluster } = world({ records: 200, keys: 10 });
      const consumer = await readingAll(cluster);
      const work = new Conducted(cluster);
      work.takesMs = (value) => (value === "0:3" || value === "0:9" ? 2_000 : 10);
      work.fails = (value) => (what === "a failure" && value === "0:9" ? new Error("broken") : null);
      const stop = new AbortController();
      const running = consumer.run({ concurrency: 10, orderBy: "key", signal: stop.signal }, work.handle);
      await cluster.clock.advance(1_000);
      const before = work.began.length;
      if (what !== "a failure") {
        consumer.pause([{ topic: "t", partition: 0 }]);
        stop.abort();
      }
      const endedBy = cluster.clock.monotonicMs() + 2_000;
      const outcome = await cluster.clock.until(running.catch((error: Error) => error.message));
      expect(outcome).toBe(what === "a failure" ? "broken" : undefined);
      expect(cluster.clock.monotonicMs()).toBeLessThan(endedBy);
      // those that end with the failing one may have had a next record
      expect(work.began.length - before).toBeLessThanOrEqual(what === "a failure" ? 1 : 0);
    },
  );

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
    const [, log] = logs as [FakePartition, FakePartition];
    log.batches = log.batches.map((batch, i) => (i === 10 ? withDamagedEnd(batch) : batch));
    const consumer = await readingAll(cluster, { checkCrc: false });
    const work = new Conducted(cluster);
    work.fails = (value, attempt) => (value === "1:17" && attempt === 1 ? new Error("not now") : null);
    const running = consumer.run({ concurrency: 2, retries: 1 }, work.handle);
    await cluster.clock.advance(100);
    consumer.pause([{ topic: "t", partition: 0 }]);
    expect(work.of(0).length).toBeGreaterThan(2);
    await expect(cluster.clock.until(running)).rejects.toBeInstanceOf(CorruptBatch);
    expect(work.of(1)).toEqual(named(1, 0, 21));
    expect([consumer.position("t", 0), consumer.position("t", 1)]).toEqual([work.of(0).length, 21]);
    consumer.seek({ topic: "t", partition: 1 }, { offset: 22 });
    consumer.resume([{ topic: "t", partition: 0 }]);
    const stop = new AbortController();
    const again = consumer.run({ concurrency: 2, signal: stop.signal }, work.handle);
    await cluster.clock.advance(2_000);
    stop.abort();
    await cluster.clock.until(again);
    expect([work.of(0), work.of(1).slice(21)]).toEqual([named(0, 0, 30), named(1, 22, 30)]);
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
