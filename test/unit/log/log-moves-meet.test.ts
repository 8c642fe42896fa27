import { describe, expect, test } from "vitest";
import type { DueCleaning } from "../../../broker/log/compaction/cleaning-plan.ts";
import type { CleaningReport } from "../../../broker/log/compaction/log-compaction.ts";
import { Pace } from "../../../broker/log/compaction/pace.ts";
import type { LogDirectories } from "../../../broker/log/directories/log-directories.ts";
import { openLogDirectories } from "../../../broker/log/directories/open-directories.ts";
import type { Log } from "../../../broker/log/log-contract.ts";
import type { SegmentedLog } from "../../../broker/log/partition-log/segmented-log.ts";
import type { Clock } from "../../../protocol/base/clock.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { compacted, keyedBatch, readKeyed } from "./compaction/compaction-fixture.ts";
import { lead, StillClock, topicId } from "./log-fixture.ts";

const [one, two] = ["/disk1", "/disk2"];
const nowMs = 1_700_000_000_000;
const settings = { ...compacted, cleanupPolicy: "compact,delete" } as const;

async function open(disk: MemoryDisk): Promise<LogDirectories> {
  const parts = { files: disk.attach(), clock: new StillClock(), random: seededRandom(7), log: silentLogger };
  return openLogDirectories(parts, { directories: [one, two], offline: [], tailCacheBytesMax: 1, openFilesMax: 4 });
}

async function startedOn(disk: MemoryDisk): Promise<{ logs: LogDirectories; log: Log }> {
  const logs = await open(disk);
  const log = await logs.open("t", 0, topicId, settings, true);
  for (let i = 0; i < 18; i++) {
    const entry = (at: number) => ({ key: `k${(2 * i + at) % 5}`, value: `v${2 * i + at}-${"x".repeat(40)}` });
    await log.written(lead(log, keyedBatch([entry(0), entry(1)])).endOffset);
  }
  await log.flush();
  return { logs, log };
}

async function dueIn(log: Log): Promise<DueCleaning | null> {
  return (log as SegmentedLog).compaction.assess({ highWatermark: log.writtenEndOffset, nowMs });
}

/** As the cleaner of a directory does it, with so many bytes per second. */
function clean(log: Log, due: DueCleaning, clock: Clock, bytesPerSecond: number): Promise<CleaningReport | null> {
  const pace = new Pace(clock, () => bytesPerSecond, new AbortController().signal);
  return (log as SegmentedLog).compaction.clean(due, { pace, nowMs, mapBytesMax: 10_000, mapLoadFactor: 1 });
}

async function compact(log: Log): Promise<void> {
  const due = await dueIn(log);
  if (due !== null) await clean(log, due!, new StillClock(), Number.MAX_VALUE);
}

/** As when a read finds that it is damaged. With the interval of rebuilt indexes it has fewer entries. */
async function rebuildIndex(log: Log, _at: number, disk: MemoryDisk): Promise<void> {
  const path = `${one}/t-0/00000000000000000000.index`;
  if (disk.find(path) !== null) disk.corrupt(path, (content) => content.subarray(0, 3));
  await readKeyed(log, 1);
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let turns = 0; turns < 50_000; turns++) {
    if (await condition()) return;
    await Promise.resolve();
  }
  throw new Error("it never came");
}

const newDisk = () => new MemoryDisk({ clock: new StillClock(), random: seededRandom(1) });
const isMoved = async (logs: LogDirectories) => (await logs.describe())[1]!.logs.some(({ copyOf }) => copyOf === null);
const segmentsIn = (disk: MemoryDisk, folder: string) => [...disk.directory(folder).entries.keys()].filter((name) => name.endsWith(".log"));

describe("what a move of a log meets", () => {
  test("a crash soon after: the gaps that compaction left are no lost records", async () => {
    const disk = newDisk();
    const { logs, log } = await startedOn(disk);
    await compact(log);
    const expected = await readKeyed(log);
    expect(expected.length < 36).toBeTruthy();
    logs.move("t", 0, two);
    await until(() => isMoved(logs));
    disk.loseProcess();
    const again = await (await open(disk)).open("t", 0, topicId, settings, false);
    expect([await readKeyed(again), again.damage]).toStrictEqual([expected, null]);
  });

  for (const [what, meet] of [
    ["retention", (log: Log) => log.advanceStartOffset(25)],
    ["compaction", compact],
    ["an index that is rebuilt", rebuildIndex],
    ["a cut", (log: Log, at: number) => log.truncateTo(1 + (at % 15))],
  ] as const)
    test(`${what} at any operation of the disk: the copy has the same segments`, async () => {
      for (let at = 1; ; at += 2) {
        const disk = newDisk();
        const { logs, log } = await startedOn(disk);
        if (what === "compaction") log.updateSettings({ ...settings, segmentBytes: 60_000 });
        const from = disk.operations;
        let met: Promise<void> | null = null;
        disk.fault = () => {
          if (disk.operations - from >= at) met ??= Promise.resolve().then(() => meet(log, at, disk));
          return null;
        };
        logs.move("t", 0, two);
        await until(() => isMoved(logs));
        if (met === null) {
          expect(at > 50).toBeTruthy();
          break;
        }
        await met;
        await until(() => disk.find(`${one}/t-0`) === null);
        const [expected, startOffset, endOffset] = [await readKeyed(log), log.startOffset, log.endOffset];
        await logs.close();
        expect(logs.onlineCount, `operation ${at}`).toBe(2);
        const left = segmentsIn(disk, `${two}/t-0`);
        const again = await open(disk);
        const reopened = await again.open("t", 0, topicId, settings, false);
        expect([await readKeyed(reopened), reopened.startOffset, reopened.endOffset], `operation ${at}: ${left}`).toStrictEqual([
          expected,
          startOffset,
          endOffset,
        ]);
      }
    });

  test("a round of the directory that it leaves, still under way when the other directory's cleaner looks at it", async () => {
    const disk = newDisk();
    const { logs, log } = await startedOn(disk);
    const slow = new StillClock();
    const due = await dueIn(log);
    expect(due).not.toBeNull();
    const first = clean(log, due!, slow, 1);
    // it has read a piece, and waits for its share of the disk
    await until(() => slow.due.length > 0);
    logs.move("t", 0, two);
    await until(() => isMoved(logs));
    const dueThere = await dueIn(log);
    expect(dueThere).not.toBeNull();
    expect(await clean(log, dueThere!, new StillClock(), Number.MAX_VALUE)).toBeNull();
    for (let turns = 0; turns < 100; turns++) {
      slow.now += 1_000_000;
      for (const wake of slow.due.splice(0)) wake();
      await Promise.resolve();
    }
    expect(await first).toBeNull();
    expect((await clean(log, dueThere!, new StillClock(), Number.MAX_VALUE)) !== null).toBeTruthy();
    expect((await readKeyed(log)).length < 36).toBe(true);
    await logs.close();
    expect(logs.onlineCount).toBe(2);
  });

  test("a cleaner that found the log due in the directory that it left", async () => {
    const { logs, log } = await startedOn(newDisk());
    const due = await dueIn(log);
    expect(due).not.toBeNull();
    logs.move("t", 0, two);
    await until(() => isMoved(logs));
    expect(await clean(log, due!, new StillClock(), Number.MAX_VALUE)).toBeNull();
    expect((await readKeyed(log)).length).toBe(36);
  });

  test("a deletion of records at any operation, and a power failure as soon as it is answered", async () => {
    for (let at = 1; ; at += 2) {
      const disk = newDisk();
      const { logs, log } = await startedOn(disk);
      const from = disk.operations;
      let [hasBegun, hasCrashed] = [false, false];
      const deleteRecords = async () => {
        await log.advanceStartOffset(25);
        disk.fault = null;
        disk.crash();
        hasCrashed = true;
      };
      disk.fault = () => {
        if (!hasBegun && disk.operations - from >= at) {
          hasBegun = true;
          void Promise.resolve().then(deleteRecords);
        }
        return null;
      };
      logs.move("t", 0, two);
      await until(async () => hasCrashed || (!hasBegun && (await isMoved(logs))));
      if (!hasCrashed) break;
      const again = await (await open(disk)).open("t", 0, topicId, settings, false);
      expect(again.startOffset, `operation ${at}`).toBe(25);
    }
  });

  test("a deletion of the log under way when the move is asked for", async () => {
    for (let at = 1; at < 40; at++) {
      const disk = newDisk();
      const { logs, log } = await startedOn(disk);
      const deleted = logs.delete("t", 0, topicId);
      for (let i = 0; i < at; i++) await Promise.resolve();
      logs.move("t", 0, two);
      await deleted;
      for (let i = 0; i < 2000; i++) await Promise.resolve();
      expect(logs.onlineCount, `after ${at} turns, ${log.endOffset}`).toBe(2);
      await logs.close();
      expect([...disk.directory(two).entries.keys()].filter((name) => name.startsWith("t-0"))).toStrictEqual([]);
    }
  });
});
