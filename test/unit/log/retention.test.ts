import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert";
import fc from "fast-check";
import { describe, test } from "vitest";
import { OffsetOutOfLog } from "../../../broker/log/log-contract.ts";
import {
  committedSegments,
  isExpired,
  type RetainedLog,
  segmentsBelow,
  segmentsOverSize,
} from "../../../broker/log/partition-log/log-retention.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import { append, batchOf, type Fixture, readAll, root, settingsWith, startLog, startStore, topicId } from "./log-fixture.ts";

const everything = { maxBytes: 1e6, endOffsetLimit: 1e9, minOneBatch: true };
const dayMs = 24 * 3600 * 1000;

const anyLog = fc
  .array(fc.record({ records: fc.integer({ min: 1, max: 5 }), sizeInBytes: fc.integer({ min: 1, max: 50 }) }), {
    minLength: 1,
    maxLength: 12,
  })
  .map((parts): RetainedLog => {
    let baseOffset = 0;
    const segments = parts.map(({ records, sizeInBytes }) => {
      const segment = { baseOffset, sizeInBytes };
      baseOffset += records;
      return segment;
    });
    return { segments, endOffset: baseOffset };
  });

/** Segment by segment, as a reader of Kafka's documentation would do it by hand. */
const ends = ({ segments, endOffset }: RetainedLog) => segments.map((_, i) => segments[i + 1]?.baseOffset ?? endOffset);

describe("which segments go", () => {
  test("by the high watermark: the first ones that end at or below it", () => {
    fc.assert(
      fc.property(anyLog, fc.nat(60), (log, highWatermark) => {
        strictEqual(committedSegments(log, highWatermark), ends(log).filter((end) => end <= highWatermark).length);
      }),
    );
    strictEqual(
      committedSegments(
        {
          segments: [
            { baseOffset: 0, sizeInBytes: 9 },
            { baseOffset: 5, sizeInBytes: 0 },
          ],
          endOffset: 5,
        },
        5,
      ),
      1,
      "an empty last segment stays",
    );
  });

  test("by the start: those that end at or below it, but never the last", () => {
    fc.assert(
      fc.property(anyLog, fc.nat(60), ({ segments, endOffset }, start) => {
        const below = ends({ segments, endOffset }).slice(0, -1);
        strictEqual(segmentsBelow(segments, start), below.filter((end) => end <= start).length);
      }),
    );
  });

  test("by size: as many as can go with what stays not below the limit", () => {
    fc.assert(
      fc.property(anyLog, fc.integer({ min: -1, max: 400 }), ({ segments }, retentionBytes) => {
        const count = segmentsOverSize(segments, retentionBytes);
        const sizeFrom = (from: number) => segments.slice(from).reduce((sum, { sizeInBytes }) => sum + sizeInBytes, 0);
        if (retentionBytes < 0) return strictEqual(count, 0);
        ok(count === 0 || sizeFrom(count) >= retentionBytes, "what stays is not below the limit");
        ok(count === segments.length || sizeFrom(count + 1) < retentionBytes, "no more could go");
      }),
    );
  });

  test("by age: older than retention.ms, which -1 switches off", () => {
    deepStrictEqual(
      [isExpired(100, 50, 150), isExpired(100, 50, 151), isExpired(100, -1, 1e15), isExpired(200, 50, 100)],
      [false, true, false, false],
    );
  });
});

async function names({ files }: Fixture, ending: string): Promise<string[]> {
  return (await files.list(`${root}/t-0`)).filter((name) => name.endsWith(ending)).map((name) => name.replace(/^0+(?=\d)/, ""));
}

/** Four records, each in a segment of its own; the last one is growing. */
async function fourSegments(settings = {}) {
  const fixture = await startLog({ segmentBytes: 100, ...settings });
  for (const [i, value] of ["a", "b", "c", "d"].entries()) await append(fixture.log, [value], i < 2 ? 0 : 1, fixture.clock.now + i * 1000);
  deepStrictEqual(await names(fixture, ".log"), ["0.log", "1.log", "2.log", "3.log"]);
  return fixture;
}

/** Lets what runs in the background come to its end. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

describe("retain", () => {
  test("by age: old segments are renamed at once and removed after file.delete.delay.ms", async () => {
    const fixture = await fourSegments({ retentionMs: dayMs });
    const { log, clock } = fixture;
    await log.retain({ highWatermark: 4, nowMs: clock.now + dayMs + 1500 });
    strictEqual(log.startOffset, 2);
    deepStrictEqual(await names(fixture, ".log"), ["2.log", "3.log"]);
    deepStrictEqual(await names(fixture, ".deleted"), [
      "0.index.deleted",
      "0.log.deleted",
      "0.timeindex.deleted",
      "1.index.deleted",
      "1.log.deleted",
      "1.snapshot.deleted",
      "1.timeindex.deleted",
    ]);
    deepStrictEqual(
      (await readAll(log)).map(({ value }) => value),
      ["c", "d"],
    );
    await rejects(log.read(1, everything), OffsetOutOfLog);
    for (const run of clock.due.splice(0)) run();
    await settle();
    deepStrictEqual(await names(fixture, ".deleted"), []);
  });

  test("only below the high watermark, and when nothing stays the log goes on in a new segment", async () => {
    const fixture = await fourSegments({ retentionMs: dayMs });
    const { log, clock } = fixture;
    const nowMs = clock.now + 2 * dayMs;
    await log.retain({ highWatermark: 3, nowMs });
    strictEqual(log.startOffset, 3);
    await log.retain({ highWatermark: 4, nowMs });
    strictEqual(log.startOffset, 4);
    strictEqual(log.endOffset, 4);
    strictEqual(log.lastEpoch, -1, "an empty log has no last record");
    deepStrictEqual(await names(fixture, ".log"), ["4.log"]);
    await log.retain({ highWatermark: 4, nowMs });
    strictEqual(await append(log, ["e"], 2), 4);
    deepStrictEqual(
      (await readAll(log)).map(({ value }) => value),
      ["e"],
    );
  });

  test("by size", async () => {
    const fixture = await fourSegments();
    const { log, clock } = fixture;
    const sizeInBytes = await fixture.files.size(`${root}/t-0/00000000000000000000.log`);
    log.updateSettings(settingsWith({ segmentBytes: 100, retentionBytes: 2 * sizeInBytes + 1 }));
    await log.retain({ highWatermark: 4, nowMs: clock.now });
    strictEqual(log.startOffset, 1);
  });

  test("compact alone keeps what is old and large, and removes what is below the start", async () => {
    const fixture = await fourSegments({ cleanupPolicy: "compact", retentionMs: 0, retentionBytes: 0 });
    const { log, clock } = fixture;
    await log.retain({ highWatermark: 4, nowMs: clock.now + dayMs });
    strictEqual(log.startOffset, 0);
    log.updateSettings(settingsWith({ cleanupPolicy: "compact,delete", retentionMs: 0 }));
    await log.retain({ highWatermark: 2, nowMs: clock.now + dayMs });
    strictEqual(log.startOffset, 2);
  });

  test("without timestamps it is the file's that counts", async () => {
    const { log, clock } = await startLog({ segmentBytes: 100, retentionMs: dayMs });
    const begin = clock.now;
    for (const [i, value] of ["a", "b", "c"].entries()) {
      clock.now = begin + i * dayMs;
      await append(log, [value], 0, -1);
    }
    await log.retain({ highWatermark: 3, nowMs: begin + dayMs + 1 });
    strictEqual(log.startOffset, 1);
  });

  test("a check of a thousand segments reads one time index", async () => {
    const fixture = await startLog({ segmentBytes: 100, retentionMs: 100 * dayMs });
    const { log, store, disk, clock } = fixture;
    for (let i = 0; i < 1000; i++) log.appendAsLeader(parsedBatch(batchOf(["x"], clock.now + i)), 0, 0);
    await log.written(1000);
    await store.close();
    disk.loseProcess();
    const again = await startStore(disk, {}, clock);
    const reopened = await again.store.open("t", 0, topicId, settingsWith({ segmentBytes: 100, retentionMs: 100 * dayMs }));
    let operations = 0;
    disk.fault = ({ path }) => {
      if (path.endsWith(".timeindex")) operations++;
      return null;
    };
    for (let i = 0; i < 5; i++) await reopened.retain({ highWatermark: 1000, nowMs: clock.now + dayMs });
    disk.fault = null;
    ok(operations <= 4, `${operations} operations on the disk`);
  });
});

describe("advanceStartOffset", () => {
  test("takes effect at once, removes what lies wholly below, and closes the last segment when nothing of it is left", async () => {
    const fixture = await fourSegments();
    const { log } = fixture;
    const durable = log.advanceStartOffset(3);
    strictEqual(log.startOffset, 3);
    await rejects(log.read(2, everything), OffsetOutOfLog);
    await durable;
    await settle();
    deepStrictEqual(await names(fixture, ".log"), ["3.log"]);
    await log.advanceStartOffset(1);
    strictEqual(log.startOffset, 3, "never back");
    await log.advanceStartOffset(4);
    await settle();
    deepStrictEqual(await names(fixture, ".log"), ["4.log"]);
    deepStrictEqual(log.endOffsetForEpoch(1), { epoch: 1, endOffset: 4 });
    strictEqual(await append(log, ["e"], 1), 4);
  });

  test("within a batch: what is below is not found, by offset, time or epoch, before and after a restart", async () => {
    const { log, store, disk, clock } = await startLog();
    await append(log, ["a", "b", "c"], 0, [900, 300, 400]);
    await append(log, ["d"], 2, 100);
    await log.advanceStartOffset(1);
    const check = async (where: typeof log) => {
      strictEqual(where.startOffset, 1);
      deepStrictEqual((await readAll(where)).map(({ value }) => value), ["b", "c", "d"]); // biome-ignore format: one line
      deepStrictEqual(await where.findByTimestamp(0), { offset: 1, timestampMs: 300, leaderEpoch: 0 });
      strictEqual(await where.findByTimestamp(500), null);
      deepStrictEqual(await where.findMaxTimestamp(), { offset: 2, timestampMs: 400, leaderEpoch: 0 });
      deepStrictEqual([where.epochAt(0), where.epochAt(1), where.epochAt(3)], [null, 0, 2]);
      deepStrictEqual(where.endOffsetForEpoch(1), { epoch: 0, endOffset: 3 });
    };
    await check(log);
    await store.close();
    disk.loseProcess();
    const again = await startStore(disk, {}, clock);
    await check(await again.store.open("t", 0, topicId, settingsWith()));
  });

  test("a read under way has its file until it is done, and then finds that the log begins later", async () => {
    const { log, disk } = await startLog({ segmentBytes: 100 }, { tailCacheBytesMax: 0 });
    for (const value of ["a", "b", "c"]) await append(log, [value]);
    const begin = disk.begin.bind(disk);
    disk.begin = async (kind, path) => {
      if (kind === "read" && path.endsWith("00000000000000000000.log")) {
        await log.advanceStartOffset(2);
        await settle();
      }
      return begin(kind, path);
    };
    await rejects(log.read(0, everything), OffsetOutOfLog);
    disk.begin = begin;
    deepStrictEqual((await readAll(log)).map(({ value }) => value), ["c"]); // biome-ignore format: one line
  });
});
