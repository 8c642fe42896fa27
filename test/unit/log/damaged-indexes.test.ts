import { describe, expect, test } from "vitest";
import type { SegmentedLog } from "../../../broker/log/partition-log/segmented-log.ts";
import { append, type Fixture, readAll, root, settingsWith, startStore, topicId } from "./log-fixture.ts";

const day = 86_400_000;
const now = 1_700_000_000_000;
const settings = settingsWith({ segmentBytes: 2000, indexIntervalBytes: 100, retentionMs: 7 * day, segmentMs: 100 * day });
const indexPath = `${root}/t-0/00000000000000000000.index`;
const timeIndexPath = `${root}/t-0/00000000000000000000.timeindex`;

/** When record `offset` was made. In the first segment, which ends with the oldest ones, 5 to 9 are the newest of all. */
function timeOf(offset: number): number {
  if (offset < 5) return now - 9 * day + offset;
  return offset < 10 ? now + offset : now - 10 * day + offset;
}

const count = 60;

/** A log of some segments, stopped as it is told; `change` is done to its files then. */
async function stopped(stop: "cleanly" | "by a kill", change: (fixture: Fixture) => void): Promise<SegmentedLog> {
  const fixture = await startStore();
  const { store, disk, clock } = fixture;
  const log = (await store.open("t", 0, topicId, settings)) as SegmentedLog;
  for (let offset = 0; offset < count; offset++) await append(log, [`value ${offset} ${"x".repeat(20)}`], 0, timeOf(offset));
  expect(log.endOffset === count && disk.file(`${root}/t-0/00000000000000000000.timeindex`).content().length >= 24).toBeTruthy();
  await log.flush();
  await store.writeCheckpoints();
  if (stop === "cleanly") await store.close();
  else disk.loseProcess();
  change(fixture);
  const again = await startStore(disk, { tailCacheBytesMax: 0 }, clock);
  return (await again.store.open("t", 0, topicId, settings)) as SegmentedLog;
}

/**
 * Each entry leads to the batch behind the one that it names, by halving the way to the next entry's: two batches as large lie between. The
 * last one stays, so the file still rises.
 */
function shifted(content: Buffer): Buffer {
  const changed = Buffer.from(content);
  for (let at = 4; at + 8 < content.length; at += 8) changed.writeInt32BE((content.readInt32BE(at) + content.readInt32BE(at + 8)) / 2, at);
  return changed;
}

function firstFrom(timestampMs: number): number {
  return Array.from({ length: count }, (_, offset) => offset).find((offset) => timeOf(offset) >= timestampMs) ?? -1;
}

describe("a time index that does not end with the segment's largest timestamp", () => {
  const changes = [
    ["was cut behind an entry", "by a kill", (content: Buffer) => content.subarray(0, 12)],
    ["was cut behind an entry", "cleanly", (content: Buffer) => content.subarray(0, 12)],
    [
      "has another timestamp in its last entry",
      "cleanly",
      (content: Buffer) => {
        const changed = Buffer.from(content);
        changed.writeBigInt64BE(BigInt(now - 8 * day), content.length - 12);
        return changed;
      },
    ],
  ] as const;
  for (const [what, stop, change] of changes) {
    test(`since it ${what} (stopped ${stop}): nothing is deleted by it, nor missed`, async () => {
      const log = await stopped(stop, ({ disk }) => disk.corrupt(timeIndexPath, change));
      await log.retain({ highWatermark: count, nowMs: now + 1000 });
      expect(log.startOffset, "the first segment has new records").toBe(0);
      for (const offset of [0, 5, 9]) expect((await log.findByTimestamp(timeOf(offset)))?.offset).toBe(offset);
      expect((await log.findMaxTimestamp())?.offset).toBe(9);
      expect(log.damage).toBeNull();
    });
  }
});

describe("an index that leads to the batches behind those that it names", () => {
  const opened = () => stopped("cleanly", ({ disk }) => disk.corrupt(indexPath, shifted));

  test("misleads no search, whether it is the one that finds out or comes meanwhile", async () => {
    const log = await opened();
    const wanted = Array.from({ length: 100 }, (_, i) => timeOf(i % 10));
    const found = wanted.map(async (timestampMs, i) => {
      for (let turns = 0; turns < i; turns++) await Promise.resolve();
      return (await log.findByTimestamp(timestampMs))?.offset;
    });
    expect(await Promise.all(found)).toStrictEqual(wanted.map(firstFrom));
    expect(log.damage).toBeNull();
  });

  test("hides nothing behind a start within its segment", async () => {
    const log = await opened();
    await log.advanceStartOffset(6);
    expect(
      await Promise.all([log.findMaxTimestamp(), log.findByTimestamp(0)]).then((both) => both.map((found) => found?.offset)),
    ).toStrictEqual([9, 6]);
  });

  test("moves no cut", async () => {
    for (let offset = 1; offset < 12; offset++) {
      const log = await opened();
      await log.truncateTo(offset);
      expect(log.endOffset).toBe(offset);
      expect((await readAll(log)).length).toBe(offset);
    }
  });
});
