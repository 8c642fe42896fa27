import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvalidArgument } from "../../../client/base/errors.ts";
import type { RunOptions } from "../../../client/consumer/run-options.ts";
import { consumerFor } from "./consumer-fixture.ts";
import { append, Conducted, named, readingAll, world } from "./run-fixture.ts";

/** The same for a value every time, and not the same for all. */
const uneven = (value: string) => 1 + (([...value].reduce((sum, c) => sum * 31 + c.charCodeAt(0), 7) >>> 0) % 50);

describe("order and parallelism", () => {
  test("as many at once as `concurrency` says, one of each partition, each partition in order; ends with `stopAtEnd`", async () => {
    const { cluster } = world({ partitions: 5, records: 20 });
    const consumer = await readingAll(cluster, { stopAtEnd: true });
    const work = new Conducted(cluster);
    work.takesMs = uneven;
    await cluster.clock.until(consumer.run({ concurrency: 3 }, work.handle));
    expect([work.most, work.mostOfPartition]).toEqual([3, 1]);
    for (let p = 0; p < 5; p++) expect(work.of(p)).toEqual(named(p, 0, 20));
    expect(consumer.position("t", 2)).toBe(20);
    expect(consumer.metrics().recordsConsumed).toBe(100);
  });

  test("by key: one of each key at a time, each key in order, several of a partition at once; records without a key in any order", async () => {
    const { cluster, logs } = world({ records: 40, keys: 5 });
    append(logs, 0, 10);
    const consumer = await readingAll(cluster, { stopAtEnd: true });
    const work = new Conducted(cluster);
    work.takesMs = (value) => (value === "0:44" ? 500 : uneven(value));
    await cluster.clock.until(consumer.run({ concurrency: 4, orderBy: "key" }, work.handle));
    expect(work.most).toBe(4);
    for (let key = 0; key < 5; key++) {
      const ofKey = work.finished.map((value) => Number(value.slice(2))).filter((n) => n < 40 && n % 5 === key);
      expect(ofKey).toEqual(ofKey.toSorted((a, b) => a - b));
    }
    expect(work.finished.toSorted()).toEqual(named(0, 0, 50).toSorted());
    const keyless = work.finished.map((value) => Number(value.slice(2))).filter((n) => n >= 40);
    expect(keyless).not.toEqual(keyless.toSorted((a, b) => a - b));
  });

  test("one at a time by default, and what comes later is handled as it comes", async () => {
    const { cluster, logs } = world({ partitions: 2, records: 4 });
    const consumer = await readingAll(cluster);
    const work = new Conducted(cluster);
    const running = consumer.run({}, work.handle);
    await cluster.clock.advance(2_000);
    append(logs, 1, 4);
    await cluster.clock.advance(2_000);
    expect(work.most).toBe(1);
    expect([work.of(0), work.of(1)]).toEqual([named(0, 0, 4), named(1, 0, 8)]);
    await cluster.clock.until(consumer.close());
    await cluster.clock.until(running);
  });

  test("whatever takes how long, fails how often, and is paused: everything is handled to its end once, in order", async () => {
    const scenario = fc.record({
      concurrency: fc.integer({ min: 1, max: 6 }),
      orderBy: fc.constantFrom("partition" as const, "key" as const),
      pendingRecordsMax: fc.constantFrom(1, 7, 1_000),
      keys: fc.integer({ min: 1, max: 4 }),
      seed: fc.nat(),
    });
    const check = async ({ keys, seed, ...options }: RunOptions & { keys: number; seed: number }) => {
      const { cluster } = world({ partitions: 3, records: 12, keys });
      const consumer = await readingAll(cluster, { stopAtEnd: true });
      const work = new Conducted(cluster);
      work.takesMs = (value) => (uneven(`${value}${seed}`) % 7) * 10;
      work.fails = (value, attempt) => (attempt <= uneven(`${seed}${value}`) % 3 ? new Error("not yet") : null);
      const running = consumer.run({ ...options, retries: 3, retryDelayMs: 40 }, work.handle);
      await cluster.clock.advance(seed % 100);
      consumer.pause([{ topic: "t", partition: seed % 3 }]);
      await cluster.clock.advance(200);
      const paused = work.began.filter((value) => value.startsWith(`${seed % 3}:`)).length;
      await cluster.clock.advance(100);
      expect(work.began.filter((value) => value.startsWith(`${seed % 3}:`)).length, "paused").toBe(paused);
      consumer.resume([{ topic: "t", partition: seed % 3 }]);
      await cluster.clock.until(running);
      expect(work.finished.toSorted()).toEqual([0, 1, 2].flatMap((p) => named(p, 0, 12)).toSorted());
      expect(work.mostOfKey).toBe(1);
      if (options.orderBy === "partition") expect(work.mostOfPartition).toBe(1);
      for (let p = 0; p < 3; p++) {
        const numbers = work.of(p).map((value) => Number(value.slice(2)));
        for (let key = 0; key < keys; key++) {
          const lane = numbers.filter((n) => options.orderBy === "partition" || n % keys === key);
          expect(lane).toEqual(lane.toSorted((a, b) => a - b));
        }
      }
      await cluster.clock.until(consumer.close());
    };
    await fc.assert(fc.asyncProperty(scenario, check), { numRuns: 40 });
  });
});

describe("handlers that fail", () => {
  test("are called again, after pauses that double; meanwhile only their partition waits, though only one handler may run", async () => {
    const { cluster } = world({ partitions: 2, records: 60 });
    const consumer = await readingAll(cluster, { stopAtEnd: true });
    const work = new Conducted(cluster);
    const attemptsMs: number[] = [];
    work.takesMs = () => 0;
    work.fails = (value, attempt) => {
      if (value === "0:3") attemptsMs.push(cluster.clock.monotonicMs());
      return value === "0:3" && attempt <= 4 ? new Error("not now") : null;
    };
    const options = { retries: 4, retryDelayMs: 1_000, retryDelayMaxMs: 4_000, pendingRecordsMax: 8 };
    const running = consumer.run(options, work.handle);
    await cluster.clock.advance(500);
    expect(work.of(0)).toEqual(named(0, 0, 3));
    expect(work.of(1)).toEqual(named(1, 0, 60));
    await cluster.clock.until(running);
    expect(work.of(0)).toEqual(named(0, 0, 60));
    const pauses = attemptsMs.slice(1).map((atMs, i) => Math.round((atMs - (attemptsMs[i] as number)) / 100) * 100);
    for (const [i, expected] of [1_000, 2_000, 4_000, 4_000].entries()) {
      expect(pauses[i]).toBeGreaterThanOrEqual(expected * 0.8);
      expect(pauses[i]).toBeLessThanOrEqual(expected * 1.2);
    }
  });

  test("wait without what was fetched of their partitions: it would take the room of the others", async () => {
    const { cluster } = world({ partitions: 7, records: 60 });
    const consumer = await readingAll(cluster, { stopAtEnd: true, prefetchBytesMax: 4_000, partitionBytesMax: 1_000 });
    const work = new Conducted(cluster);
    work.takesMs = () => 0;
    work.fails = (value, attempt) => (value.endsWith(":3") && value !== "6:3" && attempt === 1 ? new Error("not now") : null);
    const running = consumer.run({ retries: 1, retryDelayMs: 100_000, retryDelayMaxMs: 100_000, pendingRecordsMax: 28 }, work.handle);
    await cluster.clock.advance(20_000);
    expect(work.of(0)).toEqual(named(0, 0, 3));
    expect(work.of(6)).toEqual(named(6, 0, 60));
    await cluster.clock.until(running);
    for (let p = 0; p < 7; p++) expect(work.of(p)).toEqual(named(p, 0, 60));
  });

  test("by key: only their key waits", async () => {
    const { cluster } = world({ records: 20, keys: 4 });
    const consumer = await readingAll(cluster, { stopAtEnd: true });
    const work = new Conducted(cluster);
    work.fails = (value, attempt) => (value === "0:5" && attempt === 1 ? new Error("not now") : null);
    const running = consumer.run({ orderBy: "key", retries: 1, retryDelayMs: 10_000 }, work.handle);
    await cluster.clock.advance(5_000);
    expect(work.finished).toEqual(named(0, 0, 20).filter((value) => Number(value.slice(2)) % 4 !== 1 || value === "0:1"));
    await cluster.clock.until(running);
    expect(work.finished.slice(-4)).toEqual(["0:5", "0:9", "0:13", "0:17"]);
  });

  test("for the last time end the run with their error; the next run begins with their record, and with what was not handled", async () => {
    const { cluster } = world({ partitions: 2, records: 10 });
    const consumer = await readingAll(cluster, { stopAtEnd: true });
    const work = new Conducted(cluster);
    const broken = new Error("broken");
    work.takesMs = (value) => (value.startsWith("1:") ? 1_000 : 10);
    work.fails = (value) => (value === "0:4" ? broken : null);
    const failure = await cluster.clock.until(consumer.run({ concurrency: 2, retries: 1 }, work.handle).catch((error: unknown) => error));
    expect(failure).toBe(broken);
    expect(work.of(0)).toEqual(named(0, 0, 4));
    expect(work.began.filter((value) => value === "0:4")).toHaveLength(2);
    expect(consumer.position("t", 0)).toBe(4);
    expect(consumer.position("t", 1)).toBe(work.of(1).length);
    work.fails = () => null;
    await cluster.clock.until(consumer.run({ concurrency: 2 }, work.handle));
    expect([work.of(0), work.of(1)]).toEqual([named(0, 0, 10), named(1, 0, 10)]);
  });

  test("may throw at once, and whatever they like", async () => {
    const { cluster } = world();
    const consumer = await readingAll(cluster);
    const failure = consumer.run({}, () => {
      throw "just text";
    });
    expect(await cluster.clock.until(failure.catch((error: unknown) => error))).toBe("just text");
  });
});

describe("bounds", () => {
  test("each partition has its share of the records that are taken and not handled, counted from the oldest", async () => {
    const { cluster } = world({ partitions: 2, records: 100, keys: 10 });
    const consumer = await readingAll(cluster);
    const work = new Conducted(cluster);
    work.takesMs = (value) => (value === "0:0" ? 60_000 : 1);
    const running = consumer.run({ concurrency: 4, orderBy: "key", pendingRecordsMax: 40 }, work.handle);
    await cluster.clock.advance(10_000);
    expect(consumer.position("t", 0)).toBe(20);
    expect(work.of(1)).toHaveLength(100);
    await cluster.clock.advance(60_000);
    expect(work.of(0)).toHaveLength(100);
    await cluster.clock.until(consumer.close());
    await cluster.clock.until(running);
  });

  test("bytes count, too, with what a record costs beside them; one record is always taken", async () => {
    const { cluster } = world({ records: 100 });
    const consumer = await readingAll(cluster);
    const work = new Conducted(cluster);
    work.takesMs = () => 1_000;
    const running = consumer.run({ pendingBytesMax: 3 * 260 }, work.handle);
    await cluster.clock.advance(10);
    expect(consumer.position("t", 0)).toBe(4);
    await cluster.clock.until(consumer.close());
    await cluster.clock.until(running);
    const narrow = await readingAll(cluster, { stopAtEnd: true });
    await cluster.clock.until(narrow.run({ pendingBytesMax: 1, concurrency: 3 }, work.handle));
    expect(new Set(work.finished).size).toBe(100);
  });
});

test("after a seek nothing that was taken before is begun, and what is being handled does not count", async () => {
  const { cluster } = world({ records: 20 });
  const consumer = await readingAll(cluster);
  const work = new Conducted(cluster);
  work.takesMs = (value) => (value === "0:2" ? 1_000 : 10);
  const stop = new AbortController();
  const running = consumer.run({ signal: stop.signal, drainTimeoutMs: 100 }, work.handle);
  await cluster.clock.advance(500);
  consumer.seek({ topic: "t", partition: 0 }, { offset: 10 });
  await cluster.clock.advance(400);
  expect(work.began, "its lane is busy still").toEqual(named(0, 0, 3));
  await cluster.clock.advance(1_000);
  expect(work.began).toEqual([...named(0, 0, 3), ...named(0, 10, 20)]);
  stop.abort();
  await cluster.clock.until(running);
  expect(consumer.position("t", 0)).toBe(20);
});

test("after a seek to the end, too; and a handler that then fails is not called again, and ends nothing", async () => {
  const { cluster, logs } = world({ records: 20 });
  const consumer = await readingAll(cluster);
  const work = new Conducted(cluster);
  work.takesMs = (value) => (value === "0:2" ? 1_000 : 10);
  work.fails = (value) => (value === "0:2" ? new Error("broken") : null);
  const running = consumer.run({}, work.handle);
  await cluster.clock.advance(500);
  consumer.seek({ topic: "t", partition: 0 }, "end");
  await cluster.clock.advance(2_000);
  append(logs, 0, 2);
  await cluster.clock.advance(2_000);
  expect(work.began).toEqual([...named(0, 0, 3), ...named(0, 20, 22)]);
  await cluster.clock.until(consumer.close());
  await cluster.clock.until(running);
});

test("what was taken of a paused partition is begun as soon as it is resumed", async () => {
  const { cluster } = world({ records: 4 });
  const consumer = await readingAll(cluster);
  const work = new Conducted(cluster);
  work.takesMs = () => 100;
  const running = consumer.run({}, work.handle);
  await cluster.clock.advance(50);
  consumer.pause([{ topic: "t", partition: 0 }]);
  await cluster.clock.advance(5_000);
  expect(work.began).toEqual(["0:0"]);
  consumer.resume([{ topic: "t", partition: 0 }]);
  await cluster.clock.settle();
  expect(work.began).toEqual(["0:0", "0:1"]);
  await cluster.clock.until(consumer.close());
  await cluster.clock.until(running);
});

test("other partitions may be assigned meanwhile", async () => {
  const { cluster } = world({ partitions: 2, records: 10 });
  const consumer = await readingAll(cluster);
  const work = new Conducted(cluster);
  work.takesMs = () => 1_000;
  const running = consumer.run({}, work.handle);
  await cluster.clock.advance(1_500);
  await cluster.clock.until(consumer.assign([{ topic: "t", partition: 1, from: { offset: 8 } }]));
  await cluster.clock.advance(10_000);
  expect(work.began.slice(2)).toEqual(["1:8", "1:9"]);
  await cluster.clock.until(consumer.close());
  await cluster.clock.until(running);
});

test("one reading at a time; options that mean nothing are refused", async () => {
  const { cluster } = world();
  const consumer = await readingAll(cluster);
  const work = new Conducted(cluster);
  const running = consumer.run({}, work.handle);
  await expect(consumer.run({}, work.handle)).rejects.toThrow(InvalidArgument);
  await expect(consumer.runBatches({}, () => undefined)).rejects.toThrow(InvalidArgument);
  expect(() => consumer.batches()).toThrow(InvalidArgument);
  await cluster.clock.until(consumer.close());
  await cluster.clock.until(running);
  const other = consumerFor(cluster);
  for (const wrong of [
    { concurrency: 0 },
    { concurrency: 1.5 },
    { retries: -1 },
    { retryDelayMs: 500, retryDelayMaxMs: 100 },
    { orderBy: "topic" as "key" },
    { pendingRecordsMax: 0 },
    { deadLetter: { topic: "" } },
  ])
    await expect(other.run(wrong, work.handle), JSON.stringify(wrong)).rejects.toThrow(InvalidArgument);
  await expect(other.runBatches({ batchRecordsMax: 0 }, () => undefined)).rejects.toThrow(InvalidArgument);
});
