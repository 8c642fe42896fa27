import fc from "fast-check";
import { describe, expect, test } from "vitest";
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
        expect(committedSegments(log, highWatermark)).toBe(ends(log).filter((end) => end <= highWatermark).length);
      }),
    );
    expect(
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
      "an empty last segment stays",
    ).toBe(1);
  });

  test("by the start: those that end at or below it, but never the last", () => {
    fc.assert(
      fc.property(anyLog, fc.nat(60), ({ segments, endOffset }, start) => {
        const below = ends({ segments, endOffset }).slice(0, -1);
        expect(segmentsBelow(segments, start)).toBe(below.filter((end) => end <= start).length);
      }),
    );
  });

  test("by size: as many as can go with what stays not below the limit", () => {
    fc.assert(
      fc.property(anyLog, fc.integer({ min: -1, max: 400 }), ({ segments }, retentionBytes) => {
        const count = segmentsOverSize(segments, retentionBytes);
        const sizeFrom = (from: number) => segments.slice(from).reduce((sum, { sizeInBytes }) => sum + sizeInBytes, 0);
        if (retentionBytes < 0) return void expect(count).toBe(0);
        expect(count === 0 || sizeFrom(count) >= retentionBytes, "what stays is not below the limit").toBeTruthy();
        expect(count === segments.length || sizeFrom(count + 1) < retentionBytes, "no more could go").toBeTruthy();
      }),
    );
  });

  test("by age: older than retention.ms, which -1 switches off", () => {
    expect([isExpired(100, 50, 150), isExpired(100, 50, 151), isExpired(100, -1, 1e15), isExpired(200, 50, 100)]).toStrictEqual([
      false,
      true,
      false,
      false,
    ]);
  });
});

async function names({ files }: Fixture, ending: string): Promise<string[]> {
  return (await files.list(`${root}/t-0`)).filter((name) => name.endsWith(ending)).map((name) => name.replace(/^0+(?=\d)/, ""));
}

/** Four records, each in a segment of its own; the last one is growing. */
async function fourSegments(settings = {}) {
  const fixture = await startLog({ segmentBytes: 100, ...settings });
  for (const [i, value] of ["a", "b", "c", "d"].entries()) await append(fixture.log, [value], i < 2 ? 0 : 1, fixture.clock.now + i * 1000);
  expect(await names(fixture, ".log")).toStrictEqual(["0.log", "1.log", "2.log", "3.log"]);
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
    expect(log.startOffset).toBe(2);
    expect(await names(fixture, ".log")).toStrictEqual(["2.log", "3.log"]);
    expect(await names(fixture, ".deleted")).toStrictEqual([
      "0.index.deleted",
      "0.log.deleted",
      "0.timeindex.deleted",
      "1.index.deleted",
      "1.log.deleted",
      "1.snapshot.deleted",
      "1.timeindex.deleted",
    ]);
    expect((await readAll(log)).map(({ value }) => value)).toStrictEqual(["c", "d"]);
    await expect(log.read(1, everything)).rejects.toThrow(OffsetOutOfLog);
    for (const run of clock.due.splice(0)) run();
    await settle();
    expect(await names(fixture, ".deleted")).toStrictEqual([]);
  });

  test("only below the high watermark, and when nothing stays the log goes on in a new segment", async () => {
    const fixture = await fourSegments({ retentionMs: dayMs });
    const { log, clock } = fixture;
    const nowMs = clock.now + 2 * dayMs;
    await log.retain({ highWatermark: 3, nowMs });
    expect(log.startOffset).toBe(3);
    await log.retain({ highWatermark: 4, nowMs });
    expect(log.startOffset).toBe(4);
    expect(log.endOffset).toBe(4);
    expect(log.lastEpoch, "an empty log has no last record").toBe(-1);
    expect(await names(fixture, ".log")).toStrictEqual(["4.log"]);
    await log.retain({ highWatermark: 4, nowMs });
    expect(await append(log, ["e"], 2)).toBe(4);
    expect((await readAll(log)).map(({ value }) => value)).toStrictEqual(["e"]);
  });

  test("by size", async () => {
    const fixture = await fourSegments();
    const { log, clock } = fixture;
    const sizeInBytes = await fixture.files.size(`${root}/t-0/00000000000000000000.log`);
    log.updateSettings(settingsWith({ segmentBytes: 100, retentionBytes: 2 * sizeInBytes + 1 }));
    await log.retain({ highWatermark: 4, nowMs: clock.now });
    expect(log.startOffset).toBe(1);
  });

  test("compact alone keeps what is old and large, and removes what is below the start", async () => {
    const fixture = await fourSegments({ cleanupPolicy: "compact", retentionMs: 0, retentionBytes: 0 });
    const { log, clock } = fixture;
    await log.retain({ highWatermark: 4, nowMs: clock.now + dayMs });
    expect(log.startOffset).toBe(0);
    log.updateSettings(settingsWith({ cleanupPolicy: "compact,delete", retentionMs: 0 }));
    await log.retain({ highWatermark: 2, nowMs: clock.now + dayMs });
    expect(log.startOffset).toBe(2);
  });

  test("without timestamps it is the file's that counts", async () => {
    const { log, clock } = await startLog({ segmentBytes: 100, retentionMs: dayMs });
    const begin = clock.now;
    for (const [i, value] of ["a", "b", "c"].entries()) {
      clock.now = begin + i * dayMs;
      await append(log, [value], 0, -1);
    }
    await log.retain({ highWatermark: 3, nowMs: begin + dayMs + 1 });
    expect(log.startOffset).toBe(1);
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
    expect(operations <= 4, `${operations} operations on the disk`).toBeTruthy();
  });
});

describe("advanceStartOffset", () => {
  test("takes effect at once, removes what lies wholly below, and closes the last segment when nothing of it is left", async () => {
    const fixture = await fourSegments();
    const { log } = fixture;
    const durable = log.advanceStartOffset(3);
    expect(log.startOffset).toBe(3);
    await expect(log.read(2, everything)).rejects.toThrow(OffsetOutOfLog);
    await durable;
    await settle();
    expect(await names(fixture, ".log")).toStrictEqual(["3.log"]);
    await log.advanceStartOffset(1);
    expect(log.startOffset, "never back").toBe(3);
    await log.advanceStartOffset(4);
    await settle();
    expect(await names(fixture, ".log")).toStrictEqual(["4.log"]);
    expect(log.endOffsetForEpoch(1)).toStrictEqual({ epoch: 1, endOffset: 4 });
    expect(await append(log, ["e"], 1)).toBe(4);
  });

  test("within a batch: what is below is not found, by offset, time or epoch, before and after a restart", async () => {
    const { log, store, disk, clock } = await startLog();
    await append(log, ["a", "b", "c"], 0, [900, 300, 400]);
    await append(log, ["d"], 2, 100);
    await log.advanceStartOffset(1);
    const check = async (where: typeof log) => {
      expect(where.startOffset).toBe(1);
      expect((await readAll(where)).map(({ value }) => value)).toStrictEqual(["b", "c", "d"]); // biome-ignore format: one line
      expect(await where.findByTimestamp(0)).toStrictEqual({ offset: 1, timestampMs: 300, leaderEpoch: 0 });
      expect(await where.findByTimestamp(500)).toBeNull();
      expect(await where.findMaxTimestamp()).toStrictEqual({ offset: 2, timestampMs: 400, leaderEpoch: 0 });
      expect([where.epochAt(0), where.epochAt(1), where.epochAt(3)]).toStrictEqual([null, 0, 2]);
      expect(where.endOffsetForEpoch(1)).toStrictEqual({ epoch: 0, endOffset: 3 });
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
    await expect(log.read(0, everything)).rejects.toThrow(OffsetOutOfLog);
    disk.begin = begin;
    expect((await readAll(log)).map(({ value }) => value)).toStrictEqual(["c"]); // biome-ignore format: one line
  });
});
