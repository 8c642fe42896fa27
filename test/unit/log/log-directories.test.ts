import { describe, expect, test } from "vitest";
import { DuplicateLog, type LogDirectories } from "../../../broker/log/directories/log-directories.ts";
import { openLogDirectories } from "../../../broker/log/directories/open-directories.ts";
import { readControllerEpochFile } from "../../../broker/log/files/directory-notes.ts";
import { failureInWords, remedyFor } from "../../../broker/log/files/log-health.ts";
import { type Log, LogOffline } from "../../../broker/log/log-contract.ts";
import type { DirectoryFailure } from "../../../broker/log/store-contract.ts";
import { replaceFile } from "../../../broker/runtime/files.ts";
import type { TopicId } from "../../../protocol/base/ids.ts";
import { type Logger, silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { type DiskOperationKind, MemoryDisk } from "../../support/memory-files.ts";
import { append, readAll, StillClock, settingsWith, topicId } from "./log-fixture.ts";

const [one, two] = ["/disk1", "/disk2"];

async function open(disk: MemoryDisk, directories: readonly string[] = [one, two], log: Logger = silentLogger): Promise<LogDirectories> {
  const parts = { files: disk.attach(), clock: new StillClock(), random: seededRandom(7), log };
  // nothing is kept in memory: what is read comes from the files
  return openLogDirectories(parts, { directories, offline: [], tailCacheBytesMax: 1, openFilesMax: 2 });
}

const newDisk = (seed = 1) => new MemoryDisk({ clock: new StillClock(), random: seededRandom(seed) });
const small = settingsWith({ segmentBytes: 300 });
const logOf = (logs: LogDirectories, name: string, isNew = true) => logs.open(name, 0, topicId, small, isNew);
const valuesOf = async (log: Log) => (await readAll(log)).map(({ value }) => value);

describe("several log directories", () => {
  test("a new log goes where the fewest are, and is found there again", async () => {
    const disk = newDisk();
    const logs = await open(disk);
    for (const name of ["a", "b", "c", "d"]) await append(await logOf(logs, name), [`in ${name}`]);
    expect(
      [one, two].map((directory) => [...disk.directory(directory).entries.keys()].filter((name) => name.endsWith("-0"))),
    ).toStrictEqual([
      ["a-0", "c-0"],
      ["b-0", "d-0"],
    ]);
    await logs.checkpointHighWatermarks(
      new Map([
        ["a-0", 1],
        ["b-0", 1],
      ]),
    );
    await logs.delete("a", 0, topicId);
    await append(await logOf(logs, "e"), ["in e"]);
    expect(disk.find(`${one}/e-0`)).not.toBeNull();
    logs.registered(5);
    await logs.close();

    const again = await open(disk);
    expect(again.found.map(({ topic }) => topic)).toStrictEqual(["c", "e", "b", "d"]);
    expect(again.doubt).toStrictEqual({ kind: "since", brokerEpoch: 5 });
    expect([...again.highWatermarks]).toStrictEqual([["b-0", 1]]);
    expect(await valuesOf(await logOf(again, "d", false))).toStrictEqual(["in d"]);
  });

  test("a stop hands on what the stops before it left open", async () => {
    const disk = newDisk();
    const marker = (directory: string) => disk.find(`${directory}/.kafka_cleanshutdown`) !== null;
    const life = async (registrations: readonly number[], end: "stop" | "kill") => {
      const logs = await open(disk);
      for (const epoch of registrations) logs.registered(epoch);
      if (end === "stop") await logs.close();
      return logs.doubt;
    };
    expect(await life([], "stop"), "a new broker, whose start failed").toStrictEqual({ kind: "unregistered" });
    expect([marker(one), marker(two)]).toStrictEqual([false, false]);
    expect(await life([4, 6], "stop")).toStrictEqual({ kind: "since", brokerEpoch: 4 });
    expect(await life([9], "stop"), "whether anybody has judged it, this broker cannot know").toStrictEqual({
      kind: "since",
      brokerEpoch: 4,
    });
    expect(await life([], "stop"), "a failed start after a clean stop").toStrictEqual({ kind: "since", brokerEpoch: 4 });
    expect([marker(one), marker(two)]).toStrictEqual([true, true]);
    expect(await life([10], "kill")).toStrictEqual({ kind: "since", brokerEpoch: 4 });
    for (const _ of [1, 2]) expect(await life([], "stop"), "failed starts after a crash").toStrictEqual({ kind: "unregistered" });
    expect(await life([12], "stop")).toStrictEqual({ kind: "since", brokerEpoch: 12 });
    disk.remove(`${two}/.kafka_cleanshutdown`);
    expect(await life([], "stop"), "one directory is enough").toStrictEqual({ kind: "unregistered" });
    expect([marker(one), marker(two)]).toStrictEqual([false, false]);
    expect(await life([14], "stop")).toStrictEqual({ kind: "since", brokerEpoch: 14 });
    expect(await life([2], "stop"), "of a coordinator that has started over").toStrictEqual({ kind: "since", brokerEpoch: 2 });
  });

  test("a broker that was stopped cleanly and has lost nothing hands on that, whether or not it registers", async () => {
    const disk = newDisk();
    const mark = (directory: string, text: string) => replaceFile(disk.attach(), `${directory}/.kafka_cleanshutdown`, Buffer.from(text));
    for (const directory of [one, two]) {
      disk.makeDirectory(directory);
      await mark(directory, directory === one ? "" : '{"version":0,"brokerEpoch":3}');
    }
    for (const registrations of [[], [7]]) {
      const logs = await open(disk);
      expect(logs.doubt, "Kafka's markers, of an older and a newer version").toStrictEqual({ kind: "none" });
      for (const epoch of registrations) logs.registered(epoch);
      await logs.close();
    }
    for (const damaged of ["{", "[]", '{"version":0,"brokerEpoch":3,"ottla":{"recovered_under":"x"}}', '{"ottla":null}']) {
      await mark(one, damaged);
      await mark(two, "");
      expect((await open(disk)).doubt, damaged).toStrictEqual({ kind: "unregistered" });
    }
  });

  test("a log in two of them ends the start, with a sentence", async () => {
    const disk = newDisk();
    disk.makeDirectory(`${one}/t-0`);
    disk.makeDirectory(`${two}/t-0`);
    await expect(open(disk)).rejects.toSatisfy(
      (error: Error) => error instanceof DuplicateLog && /t-0 lies both in \/disk1 and in \/disk2/.test(error.message),
    );
  });

  test.each([
    ["in the first", one],
    ["in the second", two],
  ])("of two topics' logs of one name, the one %s is used when its topic is the present one", async (_, present) => {
    const other = "AAAAAAAAAAAAAAAAAAAAAQ" as TopicId;
    const disk = newDisk();
    for (const directory of [one, two]) {
      // the other directory is away
      const logs = await open(disk, [directory]);
      await append(await logs.open("t", 0, directory === present ? topicId : other, small, true), [`in ${directory}`]);
      await logs.checkpointHighWatermarks(new Map([["t-0", 1]]));
      await logs.close();
    }
    const logs = await open(disk);
    expect(logs.found.length).toBe(1);
    const restored: number[] = [];
    const takeUp = () => logs.takeUp("t", 0, topicId, async (highWatermark) => void restored.push(highWatermark));
    await takeUp();
    const log = await logOf(logs, "t", false).catch(async (error: Error) => {
      expect(error.name).toBe("InconsistentTopicId");
      await logs.setAside("t", 0, { topicId: null, highWatermark: 1 });
      await takeUp();
      expect(restored).toStrictEqual([1]);
      return logOf(logs, "t", false);
    });
    expect(await valuesOf(log)).toStrictEqual([`in ${present}`]);
    expect(await logs.setAside("t", 0, { topicId: other, highWatermark: 1 })).toBe(false);
    await logs.close();
    expect(
      [one, two].flatMap((directory) => [...disk.directory(directory).entries.keys()]).filter((name) => name.endsWith("-stray")).length,
    ).toBe(1);
  });

  test("without one of them the others start; a log that may lie there is not started over", async () => {
    const disk = newDisk();
    const first = await open(disk);
    for (const name of ["a", "b"]) await append(await logOf(first, name), [`in ${name}`]);
    await first.close();
    disk.fault = ({ path }) => (path.startsWith(two) ? "EIO" : null);
    const said: string[] = [];
    const log: Logger = { ...silentLogger, error: (_: object, message: string) => void said.push(message), child: () => log };
    const logs = await open(disk, [one, two], log);
    expect(said.length).toBe(1);
    expect(said[0]!).toMatch(
      /^log directory \/disk2 is offline: .* \(EIO\)\. To use it again, check the disk .*; then restart this broker$/,
    );
    expect([logs.doubt.kind, logs.onlineCount, logs.found.map(({ topic }) => topic)]).toStrictEqual(["unregistered", 1, ["a"]]);
    await expect(logOf(logs, "b", false)).rejects.toThrow(/b-0 may lie in \/disk2, which is offline/);
    await append(await logOf(logs, "new", true), ["in new"]);
    expect(await valuesOf(await logOf(logs, "a", false))).toStrictEqual(["in a"]);
    await logs.close();
    disk.fault = null;
    expect(await valuesOf(await logOf(await open(disk), "b", false))).toStrictEqual(["in b"]);
  });

  test("a controller epoch is noted as soon as one of them has it; the one that stalls gets the newest when it goes on", async () => {
    const disk = newDisk();
    const logs = await open(disk);
    const files = disk.attach();
    const noted = (directory: string) => readControllerEpochFile(files, directory);
    const seen = (controllerEpoch: number) => ({ clusterId: "cluster", controllerEpoch });
    const stall = Promise.withResolvers<void>();
    disk.stall = ({ path }) => (path.startsWith(two) ? stall.promise : null);
    for (const epoch of [1, 2, 3, 4]) await logs.noteControllerEpoch(seen(epoch));
    expect(await noted(one)).toStrictEqual(seen(4));
    const renames: string[] = [];
    disk.stall = null;
    disk.fault = ({ kind, path }) => {
      if (kind === "rename") renames.push(path);
      return null;
    };
    stall.resolve();
    for (let looks = 0; looks < 100 && renames.length < 2; looks++) await noted(two);
    await logs.close();
    expect(await noted(two)).toStrictEqual(seen(4));
    expect(renames.filter((path) => path.includes("epoch")).length, "those that waited are one write").toBe(2);
  });

  test("with all of them failing nothing starts", async () => {
    const disk = newDisk();
    disk.fault = () => "EROFS";
    await expect(open(disk)).rejects.toSatisfy((error: Error) => error instanceof LogOffline && /\/disk1.*read-only/.test(error.message));
  });
});

const kinds: readonly DiskOperationKind[] = ["open", "makeDirectory", "rename", "syncDirectory", "read", "write", "truncate", "sync"];

describe("a directory that fails while it is used", () => {
  for (const kind of kinds)
    for (const code of ["ENOSPC", "EIO", "EACCES", "EROFS", "EMFILE"]) {
      test(`${code} at ${kind} takes that one offline only; nothing acknowledged is lost, nothing unwritten acknowledged`, async () => {
        const disk = newDisk();
        const logs = await open(disk);
        const failures: DirectoryFailure[] = [];
        logs.onOffline((failure) => failures.push(failure));
        const sound = await logOf(logs, "sound");
        const failing = await logOf(logs, "failing");
        const acknowledged: string[] = [];
        for (let i = 0; i < 12; i++) {
          await append(failing, [`before ${i}`]);
          acknowledged.push(`before ${i}`);
        }
        disk.fault = (operation) => (operation.kind === kind && operation.path.startsWith(two) ? code : null);

        // all that a log does, until it ends in the failure
        const use = async () => {
          for (let i = 0; i < 12; i++) {
            await append(failing, [`after ${i}`]);
            acknowledged.push(`after ${i}`);
          }
          await valuesOf(failing);
          await failing.flush();
          await logs.open("another", 0, topicId, small, true);
          await logs.open("more", 0, topicId, small, true);
          await failing.truncateTo(failing.endOffset);
          await failing.truncateTo(failing.endOffset - 1);
          acknowledged.pop();
        };
        await expect(use()).rejects.toThrow(LogOffline);
        expect(failures.length).toBe(1);
        const [{ directory, error, holds } = failures[0]!] = failures;
        expect([directory, holds("failing-0"), holds("sound-0"), logs.onlineCount]).toStrictEqual([two, true, false, 1]);
        expect(error.message).toMatch(new RegExp(`^log directory /disk2 is offline: \\S.* /disk2\\S* failed: .* \\(${code}\\)$`));
        expect(remedyFor(error.cause).length > 20).toBeTruthy();
        await expect(append(failing, ["too late"])).rejects.toThrow(LogOffline);
        await expect(logOf(logs, "failing", false)).rejects.toThrow(LogOffline);

        await append(sound, ["all is well"]);
        await sound.flush();
        await logs.checkpointHighWatermarks(
          new Map([
            ["sound-0", 1],
            ["failing-0", 1],
          ]),
        );
        expect(await valuesOf(sound)).toStrictEqual(["all is well"]);
        await expect(logs.close()).rejects.toThrow(LogOffline);

        disk.loseProcess();
        disk.fault = null;
        const again = await open(disk);
        expect(again.doubt.kind).toBe("unregistered");
        const values = await valuesOf(await logOf(again, "failing", false));
        expect(values.slice(0, acknowledged.length)).toStrictEqual(acknowledged);
        expect(await valuesOf(await logOf(again, "sound", false))).toStrictEqual(["all is well"]);
      });
    }
});

test("a failure is told in words, with the file and what to do", () => {
  const full = Object.assign(new Error("ENOSPC: no space left on device, write"), {
    code: "ENOSPC",
    syscall: "writev",
    path: "/disk2/t-0/0.log",
  });
  expect(failureInWords(full)).toBe("writing /disk2/t-0/0.log failed: no space is left on the device (ENOSPC)");
  expect(remedyFor(full)).toMatch(/free space there/);
  expect(failureInWords(new Error("/disk2/t-0/0.log is damaged at 7"))).toBe("/disk2/t-0/0.log is damaged at 7");
  expect(failureInWords(Object.assign(new Error("E?"), { code: "EODD", path: "/x" }))).toBe("working on /x failed: E? (EODD)");
});
