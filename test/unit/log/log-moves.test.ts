import { describe, expect, test } from "vitest";
import type { LogDirectories } from "../../../broker/log/directories/log-directories.ts";
import { openLogDirectories } from "../../../broker/log/directories/open-directories.ts";
import { type Log, LogOffline } from "../../../broker/log/log-contract.ts";
import type { Clock } from "../../../protocol/base/clock.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { type DiskOperationKind, MemoryDisk } from "../../support/memory-files.ts";
import { ManualClock } from "../network/manual-clock.ts";
import { append, readAll, StillClock, settingsWith, topicId } from "./log-fixture.ts";

const [one, two] = ["/disk1", "/disk2"];
const small = settingsWith({ segmentBytes: 400 });
const newDisk = (seed = 1) => new MemoryDisk({ clock: new StillClock(), random: seededRandom(seed) });

async function open(
  disk: MemoryDisk,
  directories: readonly string[] = [one, two],
  clock: Clock = new StillClock(),
): Promise<LogDirectories> {
  const parts = { files: disk.attach(), clock, random: seededRandom(7), log: silentLogger };
  return openLogDirectories(parts, { directories, offline: [], tailCacheBytesMax: 1, openFilesMax: 4 });
}

const opened = (logs: LogDirectories, isNew = true) => logs.open("t", 0, topicId, small, isNew);
const valuesOf = async (log: Log) => (await readAll(log)).map(({ value }) => value);
const folders = (disk: MemoryDisk) =>
  [one, two].map((directory) =>
    [...(disk.find(directory) === null ? [] : disk.directory(directory).entries.keys())].filter((name) => name.startsWith("t-0")),
  );

/** Where the log is, and what is being moved to each directory. */
async function whereabouts(logs: LogDirectories) {
  const described = await logs.describe();
  return described.map(({ logs: there }) => there.map(({ copyOf }) => (copyOf === null ? "log" : "copy")));
}

/** What happens in memory happens in microtasks: so that it is seen in the middle, too, this looks after each. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let turns = 0; turns < 50_000; turns++) {
    if (await condition()) return;
    await Promise.resolve();
  }
  throw new Error("it never came");
}

const isMoved = async (logs: LogDirectories) => (await whereabouts(logs))[1]![0] === "log";

describe("moving a log to another directory", () => {
  test("it serves and takes records all the while, and has all of them there; also after a restart", async () => {
    const disk = newDisk();
    const logs = await open(disk);
    const log = await opened(logs);
    const values: string[] = [];
    const add = async () => {
      values.push(`value ${values.length}`);
      await append(log, values.slice(-1), 0, 1000 + values.length);
    };
    for (let i = 0; i < 40; i++) await add();
    expect(logs.move("t", 0, two)).toBe("NONE");
    let turns = 0;
    while (!(await isMoved(logs))) {
      expect(turns++ < 200).toBeTruthy();
      await add();
      if (turns % 3 === 0) expect(await valuesOf(log)).toStrictEqual(values);
    }
    expect(turns > 3, "appends went on during the move").toBeTruthy();
    for (let i = 0; i < 10; i++) await add();
    expect(await valuesOf(log)).toStrictEqual(values);
    expect((await log.findByTimestamp(1020))?.offset).toBe(19);
    await until(() => disk.find(`${one}/t-0`) === null);
    expect(logs.move("t", 0, two)).toBe("NONE");
    logs.registered(5);
    await logs.close();
    expect(folders(disk)).toStrictEqual([[], ["t-0"]]);

    const again = await open(disk);
    expect(again.doubt.kind).toBe("since");
    const reopened = await opened(again, false);
    expect([await valuesOf(reopened), reopened.lastEpoch]).toStrictEqual([values, 0]);
    expect((await reopened.findByTimestamp(1045))?.offset).toBe(44);
  });

  test("it goes as fast as it may, as it is set at the time", async () => {
    const clock = new ManualClock();
    const logs = await open(newDisk(), [one, two], clock);
    let bytesPerSecond = 0;
    logs.limitMoves(() => bytesPerSecond);
    const log = await opened(logs);
    for (let i = 0; i < 40; i++) await append(log, ["x".repeat(300)], 0, 1000 + i);
    expect(logs.move("t", 0, two)).toBe("NONE");
    await clock.advance(60_000);
    expect(await isMoved(logs), "nothing is allowed").toBe(false);
    bytesPerSecond = 1000;
    const seconds = async (limit: number) => {
      for (let passed = 0; passed < limit; passed++) {
        if (await isMoved(logs)) return passed;
        await clock.advance(1000);
      }
      return limit;
    };
    const least = log.sizeInBytes / 1000;
    expect(least).toBeGreaterThan(10);
    const took = await seconds(60);
    expect(took).toBeGreaterThan(0.8 * least);
    expect(took).toBeLessThan(1.3 * least + 2);
    await logs.close();
  });

  test("a cut, a new start and deleted records meanwhile are in the copy too", async () => {
    const disk = newDisk();
    const logs = await open(disk);
    const log = await opened(logs);
    for (let i = 0; i < 30; i++) await append(log, [`a ${i}`]);
    logs.move("t", 0, two);
    await until(async () => (await whereabouts(logs))[1]![0] === "copy");
    await log.truncateTo(20);
    await append(log, ["b 20"], 1);
    await log.advanceStartOffset(7);
    await append(log, ["b 21"], 1);
    await until(() => isMoved(logs));
    const expected = [...Array.from({ length: 13 }, (_, i) => `a ${i + 7}`), "b 20", "b 21"];
    expect([await valuesOf(log), log.startOffset, log.endOffsetForEpoch(0)?.endOffset]).toStrictEqual([expected, 7, 20]);
    await logs.close();
    const again = await opened(await open(disk), false);
    expect([await valuesOf(again), again.startOffset, again.endOffsetForEpoch(0)?.endOffset]).toStrictEqual([expected, 7, 20]);
  });

  test("answers as Kafka does, and remembers where a log is wanted that is not there yet", async () => {
    const disk = newDisk();
    const logs = await open(disk);
    expect(logs.move("t", 0, "/elsewhere")).toBe("LOG_DIR_NOT_FOUND");
    expect(logs.move("t", 0, two)).toBe("REPLICA_NOT_AVAILABLE");
    await append(await opened(logs), ["x"]);
    expect(await whereabouts(logs)).toStrictEqual([[], ["log"]]);
    const [, { space }] = (await logs.describe()) as [unknown, { space: { totalBytes: number } }];
    expect(space.totalBytes > 0).toBeTruthy();
    disk.fault = ({ path }) => (path.startsWith(one) ? "EIO" : null);
    await expect(logs.open("other", 0, topicId, small, true)).rejects.toThrow(LogOffline);
    expect(logs.move("t", 0, one)).toBe("KAFKA_STORAGE_ERROR");
    expect(logs.move("other", 0, two)).toBe("KAFKA_STORAGE_ERROR");
    expect((await logs.describe()).map(({ isOnline }) => isOnline)).toStrictEqual([false, true]);
  });

  test("another wish ends the first, deletion ends the move, and a stop leaves it to the next start", async () => {
    const disk = newDisk();
    const logs = await open(disk);
    const log = await opened(logs);
    for (let i = 0; i < 30; i++) await append(log, [`a ${i}`]);
    logs.move("t", 0, two);
    await until(async () => folders(disk)[1]!.length > 0);
    logs.move("t", 0, one);
    await until(async () => folders(disk)[1]!.length === 0);
    expect(await whereabouts(logs)).toStrictEqual([["log"], []]);
    logs.move("t", 0, two);
    await until(async () => folders(disk)[1]!.length > 0);
    await logs.close();
    expect(folders(disk)[1]![0]!.endsWith("-future")).toBeTruthy();

    const again = await open(disk);
    const reopened = await opened(again, false);
    await until(() => isMoved(again));
    expect((await valuesOf(reopened)).length).toBe(30);
    again.move("t", 0, one);
    await again.delete("t", 0, topicId);
    await until(async () => folders(disk).every((names) => names.length === 0));
  });
});

/**
 * Some records, a move with more records meanwhile, and records after it. `acknowledged` has what was written, `flushed` what was forced to
 * disk.
 */
async function movingLog(disk: MemoryDisk, segmentBytes: number, progress: { acknowledged: number; flushed: number }): Promise<void> {
  const logs = await open(disk);
  const log = await logs.open("t", 0, topicId, settingsWith({ segmentBytes }), true);
  const add = async () => {
    await append(log, [`value ${progress.acknowledged}`]);
    progress.acknowledged++;
  };
  for (let i = 0; i < 8; i++) await add();
  await log.flush();
  progress.flushed = 8;
  logs.move("t", 0, two);
  for (let i = 0; i < 6; i++) await add();
  await log.flush();
  progress.flushed = progress.acknowledged;
  await until(() => isMoved(logs));
  for (let i = 0; i < 4; i++) await add();
  await log.flush();
  progress.flushed = progress.acknowledged;
  await until(() => disk.find(`${one}/t-0`) === null);
  await logs.close();
}

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `value ${i}`);

describe("a crash during a move", () => {
  test.each([
    ["killed", 400],
    ["killed", 4000],
    ["without power", 400],
    ["without power", 4000],
  ] as const)(
    "at any operation (%s, segments of %i bytes): one log is there, with all that was acknowledged",
    async (how, segmentBytes) => {
      const disk = newDisk();
      await movingLog(disk, segmentBytes, { acknowledged: 0, flushed: 0 });
      const operations = disk.operations;
      expect(operations > 100).toBeTruthy();
      for (let at = 1; at < operations; at++) {
        const broken = newDisk(at);
        const progress = { acknowledged: 0, flushed: 0 };
        let hasCrashed = false;
        broken.fault = () => {
          if (broken.operations !== at) return null;
          hasCrashed = true;
          if (how === "killed") broken.loseProcess();
          else broken.crash();
          return null;
        };
        await Promise.race([movingLog(broken, segmentBytes, progress).catch(() => undefined), until(() => hasCrashed)]);
        expect(hasCrashed).toBeTruthy();
        broken.fault = null;
        const logs = await open(broken);
        const places = logs.found.length;
        expect(places <= 1, `operation ${at}: found ${places} times`).toBeTruthy();
        const values = await valuesOf(await opened(logs, true));
        const least = how === "killed" ? progress.acknowledged : progress.flushed;
        expect(values.length >= least, `operation ${at}: ${values.length} of ${least} records`).toBeTruthy();
        expect(values).toStrictEqual(numbered(values.length));
        await logs.close();
        const left = folders(broken).flat();
        expect(
          left.filter((name) => name === "t-0").length === 1 && left.every((name) => name === "t-0" || name.endsWith("-future")),
          `operation ${at}: ${left}`,
        ).toBeTruthy();
      }
    },
  );
});

describe("a directory that fails during a move", () => {
  const kinds: readonly DiskOperationKind[] = [
    "open",
    "readFile",
    "list",
    "makeDirectory",
    "rename",
    "syncDirectory",
    "read",
    "write",
    "truncate",
    "sync",
    "remove",
  ];
  for (const directory of [one, two])
    test.each(kinds)(`${directory} at any %s: the other goes on, and after the repair all that was acknowledged is there`, async (kind) => {
      for (let at = 1; at < 60; at++) {
        const disk = newDisk(at);
        const progress = { acknowledged: 0, flushed: 0 };
        let seen = 0;
        let logs: LogDirectories | null = null;
        const use = async () => {
          logs = await open(disk);
          const log = await opened(logs);
          const other = await logs.open("other", 0, topicId, small, true);
          disk.fault = (operation) => (operation.path.startsWith(directory) && operation.kind === kind && ++seen >= at ? "EIO" : null);
          for (let i = 0; i < 6; i++) {
            await append(log, [`value ${i}`]);
            progress.acknowledged++;
          }
          logs.move("t", 0, two);
          await until(async () => (await isMoved(logs!)) || logs!.onlineCount < 2);
          for (let i = 6; i < 9; i++) {
            await append(log, [`value ${i}`]);
            progress.acknowledged++;
          }
          await append(other, ["x"]);
        };
        await use().catch((error: unknown) => expect(error instanceof LogOffline, String(error)).toBeTruthy());
        await (logs as LogDirectories | null)!
          .close()
          .catch((error: unknown) => expect(error instanceof LogOffline, String(error)).toBeTruthy());
        disk.fault = null;
        disk.loseProcess();
        if (seen < at) break;
        const again = await open(disk);
        const values = await valuesOf(await opened(again, false));
        expect(values.length >= progress.acknowledged, `${kind} ${at}: ${values.length} of ${progress.acknowledged}`).toBeTruthy();
        expect(values).toStrictEqual(numbered(values.length));
        await again.close();
      }
    });

  test("the other directory fails when the copy has the log's name already: what is appended where the log stays is there after the repair", async () => {
    const disk = newDisk();
    const logs = await open(disk);
    const log = await opened(logs);
    for (let i = 0; i < 6; i++) await append(log, [`value ${i}`]);
    let isNamed = false;
    // 1. the copy gets the name, durably; 2. nothing works there any more; 3. it is not opened there
    disk.fault = ({ kind, path }) => {
      if (isNamed && path.startsWith(two)) return "ENOSPC";
      isNamed ||= kind === "syncDirectory" && path === two && disk.find(`${two}/t-0`) !== null;
      return null;
    };
    expect(logs.move("t", 0, two)).toBe("NONE");
    await until(() => logs.onlineCount < 2);
    for (let i = 6; i < 9; i++) await append(log, [`value ${i}`]);
    await logs.close().catch((error: unknown) => expect(error instanceof LogOffline, String(error)).toBeTruthy());
    disk.fault = null;
    disk.loseProcess();
    const again = await open(disk);
    expect(await valuesOf(await opened(again, false))).toStrictEqual(numbered(9));
    await again.close();
  });
});
