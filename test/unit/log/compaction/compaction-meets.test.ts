import { describe, expect, test } from "vitest";
import { Pace } from "../../../../broker/log/compaction/pace.ts";
import { fileNames } from "../../../../broker/log/files/file-names.ts";
import type { Log } from "../../../../broker/log/log-contract.ts";
import type { SegmentedLog } from "../../../../broker/log/partition-log/segmented-log.ts";
import { parsedBatch } from "../../../support/parsed-batch.ts";
import { root, startLog, startStore, topicId } from "../log-fixture.ts";
import { cleanerOf, compacted, keyedBatch, readKeyed } from "./compaction-fixture.ts";

async function fill(log: Log, count: number, tag = "v", epoch = 0): Promise<void> {
  for (let i = 0; i < count; i++) {
    const entry = (at: number) => ({ key: `k${(2 * i + at) % 5}`, value: `${tag}${2 * i + at}-${"x".repeat(40)}` });
    log.appendAsLeader(parsedBatch(keyedBatch([entry(0), entry(1)])), epoch, 0);
    await log.written(log.endOffset);
  }
  await log.flush();
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

test("who copies a compacted log knows the same leader epochs", async () => {
  const { log, clock } = await startLog(compacted);
  for (let epoch = 0; epoch < 9; epoch += 2) await fill(log, 3, `e${epoch}`, epoch);
  await fill(log, 9, "last", 9);
  const epochs = () => Array.from({ length: 11 }, (_, epoch) => log.endOffsetForEpoch(epoch));
  const known = epochs();
  expect(await cleanerOf(log, { clock }).cleanOne()).toBeTruthy();
  const { log: copy } = await startLog(compacted);
  while (copy.endOffset < log.endOffset) {
    const { chunks } = await log.read(copy.endOffset, { maxBytes: 700, endOffsetLimit: log.endOffset, minOneBatch: true });
    expect(copy.appendAsFollower(Buffer.concat(chunks))).toBeTruthy();
    await copy.written(copy.endOffset);
  }
  expect((await readKeyed(copy)).length < 30).toBeTruthy();
  expect(known.map((_, epoch) => copy.endOffsetForEpoch(epoch))).toStrictEqual(known);
});

test("a compacted log that has lost the file of its epochs reads the same ones from its batches, the first too", async () => {
  const settings = { ...compacted, segmentBytes: 2000 };
  const { log, clock, store, disk } = await startLog(settings);
  for (const epoch of [3, 5]) await fill(log, 3, `e${epoch}`, epoch);
  await fill(log, 30, "last", 9);
  const known = log.epochsFrom(0);
  expect(known[0]?.epoch).toBe(3);
  expect(await cleanerOf(log, { clock }).cleanOne()).toBeTruthy();
  expect((await readKeyed(log))[0]!.offset > 12, "nothing is left of the first epochs").toBeTruthy();
  await store.close();
  await disk.attach().remove(`${root}/t-0/${fileNames.leaderEpochs}`);
  const again = await startStore(disk, {}, clock);
  expect((await again.store.open("t", 0, topicId, settings)).epochsFrom(0)).toStrictEqual(known);
});

describe("what a round of compaction meets", () => {
  test("a broker that stops in the middle of it stops cleanly", async () => {
    const { log, clock, store } = await startLog(compacted, {
      cleaner: { backoffMs: 1000, mapBytesMax: 10_000, mapLoadFactor: 1, bytesPerSecondMax: 1 },
    });
    await fill(log, 30);
    store.startCleaning(() => log.writtenEndOffset);
    // it reads a first piece, and then waits for its share of the disk
    for (let i = 0; i < 100 && clock.due.length > 0; i++) {
      for (const due of clock.due.splice(0)) due();
      await turns(200);
      clock.now += 1;
    }
    expect(clock.due.length > 0).toBeTruthy();
    await store.close();
    expect(store.offline).toBeNull();
  });

  test("retention that takes segments which it reads, at any operation of the disk", async () => {
    let met = 0;
    for (let at = 1; ; at += 2) {
      const { log, clock, store, disk } = await startLog({ ...compacted, cleanupPolicy: "compact,delete" }, { openFilesMax: 1 });
      await fill(log, 30);
      const [before, start] = [await readKeyed(log), 33];
      const from = disk.operations;
      let deleted: Promise<void> | null = null;
      disk.fault = () => {
        if (disk.operations - from >= at) deleted ??= Promise.resolve().then(() => log.advanceStartOffset(start));
        return null;
      };
      await cleanerOf(log, { clock }).cleanOne();
      if (deleted === null) break;
      met++;
      await deleted;
      await turns(2000);
      expect(store.offline?.message ?? null, `operation ${at}`).toBeNull();
      const newest = new Set(new Map(before.map(({ key, offset }) => [key, offset])).values());
      const left = await readKeyed(log);
      expect(left.filter(({ offset }) => newest.has(offset))).toStrictEqual(before.filter(({ offset }) => newest.has(offset)));
      expect(left.every(({ offset }) => offset >= start)).toBeTruthy();
    }
    expect(met > 25).toBeTruthy();
  });

  test("a log that was cut, and grew again, since it was chosen", async () => {
    const { log, clock } = await startLog(compacted);
    await fill(log, 30);
    const { compaction } = log as SegmentedLog;
    const due = await compaction.assess({ highWatermark: log.writtenEndOffset, nowMs: clock.now });
    expect(due).not.toBeNull();
    await log.truncateTo(20);
    await fill(log, 40, "uncommitted", 1);
    const before = await readKeyed(log);
    const pace = new Pace(clock, () => Number.MAX_VALUE, new AbortController().signal);
    expect(await compaction.clean(due!, { pace, nowMs: clock.now, mapBytesMax: 10_000, mapLoadFactor: 1 })).toBeNull();
    expect(await readKeyed(log)).toStrictEqual(before);
  });
});
