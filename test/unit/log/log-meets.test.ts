import { describe, expect, test } from "vitest";
import type { FoundRecord } from "../../../broker/log/log-contract.ts";
import { logCaches } from "../../../broker/log/partition-log/log-caches.ts";
import { createSegment } from "../../../broker/log/segment/segment-files.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { append, batchOf, readAll, root, StillClock, settingsWith, startLog, startStore, topicId } from "./log-fixture.ts";

const small = { segmentBytes: 300, indexIntervalBytes: 1 };

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

describe("reads that are under way while the log changes", () => {
  test("searches by timestamp find what they would have found before or after a deletion", async () => {
    for (let delay = 0; delay < 80; delay++) {
      const { log } = await startLog(small, { tailCacheBytesMax: 0 });
      for (let i = 0; i < 40; i++) await append(log, [`a ${i}`], 0, 1000 + i);
      await log.advanceStartOffset(2);
      const searches: Promise<FoundRecord | null>[] = [];
      searches.push(log.findByTimestamp(1015));
      await turns(delay);
      const deleted = log.advanceStartOffset(5);
      searches.push(log.findByTimestamp(1015), log.findMaxTimestamp());
      await deleted;
      expect(
        (await Promise.all(searches)).map((found) => found?.offset),
        `after ${delay} turns`,
      ).toStrictEqual([15, 15, 39]);
    }
  });
});

test("a file that a read opened before its segment was removed is not taken for the one that comes in its place", async () => {
  const [_clock, disk] = [new StillClock(), new MemoryDisk({ clock: new StillClock(), random: seededRandom(1) })];
  const files = disk.attach();
  const io = { files, logger: silentLogger, ...logCaches(files, {}) };
  await files.makeDirectory("/log");
  const path = "/log/00000000000000000007.log";
  await (await createSegment(io, "/log", 7)).writable.file.write([Buffer.from("old")], 0);
  expect(await io.openFiles.use(path, (file) => file.size())).toBe(3);
  await files.remove(path);
  await createSegment(io, "/log", 7);
  expect(await io.openFiles.use(path, (file) => file.size())).toBe(0);
});

describe("a deletion that was answered", () => {
  test("is on the disk, also when it was asked for twice at the same time", async () => {
    const { log, disk } = await startLog(small);
    for (let i = 0; i < 24; i++) await append(log, [`a ${i}`]);
    await log.flush();
    void log.advanceStartOffset(10);
    await log.advanceStartOffset(10);
    disk.crash();
    const { store } = await startStore(disk);
    expect((await store.open("t", 0, topicId, settingsWith(small))).startOffset).toBe(10);
  });
});

describe("a log that follows a compacted one", () => {
  test("keeps its gaps when its last batch is damaged while the broker is stopped", async () => {
    const { log, disk, store } = await startLog();
    const follow = (value: string, offset: number) => {
      const batch = batchOf([value]);
      batch.writeBigInt64BE(BigInt(offset), 0);
      expect(log.appendAsFollower(batch)).toBeTruthy();
    };
    for (const offset of [0, 1, 5, 9, 10, 11]) follow(`a ${offset}`, offset);
    await log.written(12);
    await store.close();
    disk.corrupt(`${root}/t-0/00000000000000000000.log`, (content) => content.subarray(0, content.length - 3));
    disk.corrupt(`${root}/ottla-clean-stop`, () => Buffer.alloc(0));
    const again = await (await startStore(disk)).store.open("t", 0, topicId, settingsWith());
    expect((await readAll(again)).map(({ offset }) => offset)).toStrictEqual([0, 1, 5, 9, 10]);
    expect(again.damage?.kind).toBe("end-lost");
  });
});
