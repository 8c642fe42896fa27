import { describe, expect, test } from "vitest";
import { openLogDirectories } from "../../../broker/log/directories/open-directories.ts";
import { bestStray, isExpired, type Stray } from "../../../broker/log/directories/strays.ts";
import { decodeStrayNote, encodeStrayNote } from "../../../broker/log/files/folder-notes.ts";
import { InconsistentTopicId, type LogStore } from "../../../broker/log/store-contract.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { append, readAll, root, StillClock, settingsWith, startStore, topicId } from "./log-fixture.ts";

const otherId = "ZZZZZZZZZZZZZZZZZZZZZQ";
const settings = settingsWith({ segmentBytes: 300 });
const valuesOf = async (log: Parameters<typeof readAll>[0]) => (await readAll(log)).map(({ value }) => value);
const note = {
  topic: "t",
  partition: 3,
  topicId,
  recoveryPoint: 20,
  startOffset: 5,
  cleanedEndOffset: 7,
  highWatermark: 18,
  setAsideMs: 1_700_000_000_000,
};

/** What `takeUp` reported; null: nothing was restored. */
async function takenUp(store: LogStore, id = topicId, topic = "t"): Promise<number | null> {
  let told: number | null = null;
  await store.takeUp(topic, 0, id, async (highWatermark) => {
    told = highWatermark;
  });
  return told;
}

const folders = (disk: MemoryDisk, directory = root) =>
  [...disk.directory(directory).entries.keys()]
    .filter((name) => /-(0|stray|delete)$/.test(name))
    .map((name) => name.replace(/[0-9a-f]{32}/, "…"));

describe("a log that is set aside", () => {
  test("frees its name for another topic, and comes back with all that was known of it", async () => {
    const { store, disk, clock } = await startStore();
    const log = await store.open("t", 0, topicId, settings);
    for (let i = 0; i < 20; i++) await append(log, [`value ${i}`]);
    await log.advanceStartOffset(4);
    expect(await store.setAside("t", 0, { topicId, highWatermark: 17 })).toBe(true);
    expect(folders(disk)).toStrictEqual(["t-0.…-stray"]);
    const fresh = await store.open("t", 0, otherId, settings);
    await append(fresh, ["of another topic"]);
    expect(await takenUp(store), "the name is in use").toBeNull();
    expect(await store.setAside("t", 0, { topicId: otherId, highWatermark: 1 })).toBe(true);
    await store.close();

    const next = await startStore(disk, {}, clock);
    expect(next.store.found).toStrictEqual([]);
    expect(await takenUp(next.store)).toBe(17);
    const again = await next.store.open("t", 0, topicId, settings);
    expect([again.startOffset, again.endOffset]).toStrictEqual([4, 20]);
    expect(await valuesOf(again)).toStrictEqual(Array.from({ length: 16 }, (_, i) => `value ${i + 4}`));
    expect(folders(disk).sort()).toStrictEqual(["t-0", "t-0.…-stray"]);
    expect(!(await next.files.exists(`${root}/t-0/ottla-stray`))).toBeTruthy();
    await next.store.close();
    const { store: last } = await startStore(disk, {}, clock);
    await expect(last.open("t", 0, otherId, settings)).rejects.toThrow(InconsistentTopicId);
  });

  test("is not touched by whatever is said of another topic of its name", async () => {
    const { store, disk } = await startStore();
    await append(await store.open("t", 0, topicId, settings), ["kept"]);
    expect(await store.setAside("t", 0, { topicId: otherId, highWatermark: 0 })).toBe(false);
    expect(await store.delete("t", 0, otherId)).toBe(false);
    expect(folders(disk)).toStrictEqual(["t-0"]);
    expect(await store.delete("t", 0, topicId)).toBe(true);
    await store.close();
    expect(folders(disk)).toStrictEqual([]);
  });

  test("goes when its topic's deletion is on record, or when the time is over that a person set", async () => {
    const { store, disk, clock } = await startStore();
    for (const [topic, id] of [
      ["t", topicId],
      ["u", otherId],
    ] as const) {
      await append(await store.open(topic, 0, id, settings), ["x"]);
      await store.setAside(topic, 0, { topicId: id, highWatermark: 0 });
    }
    await store.deleteStrays(new Set([otherId]));
    clock.now += 1_000;
    await store.expireStrays(-1);
    await store.expireStrays(1_000);
    await store.close();
    expect(folders(disk)).toStrictEqual(["t-0.…-stray"]);
    const next = await startStore(disk, {}, clock);
    clock.now += 1;
    await next.store.expireStrays(1_000);
    await next.store.close();
    expect(folders(disk)).toStrictEqual([]);
  });

  test("by Kafka says only whose it is: it is checked from its start, and nothing of it is known to be committed", async () => {
    const { store, disk, clock, files } = await startStore();
    const log = await store.open("t", 0, topicId, settings);
    for (let i = 0; i < 20; i++) await append(log, [`value ${i}`]);
    await store.close();
    const name = `t-0.${"a".repeat(32)}-stray`;
    await files.rename(`${root}/t-0`, `${root}/${name}`);
    await files.remove(`${root}/${name}/ottla-clean-stop`);
    const next = await startStore(disk, {}, clock);
    await next.store.expireStrays(0);
    expect(await takenUp(next.store, otherId)).toBeNull();
    expect(await takenUp(next.store)).toBe(0);
    expect((await next.store.open("t", 0, topicId, settings)).endOffset).toBe(20);
  });

  test("with a name that is too long for its folder is known by its note", async () => {
    const { store, disk } = await startStore();
    const topic = "x".repeat(249);
    await append(await store.open(topic, 0, topicId, settings), ["kept"]);
    await store.setAside(topic, 0, { topicId, highWatermark: 1 });
    const [name] = [...disk.directory(root).entries.keys()].filter((each) => each.endsWith("-stray"));
    expect(name?.length).toBe(255);
    expect(await takenUp(store, topicId, topic)).toBe(1);
    expect(await valuesOf(await store.open(topic, 0, topicId, settings))).toStrictEqual(["kept"]);
  });

  test("is taken up where it lies, the one that knows most where there are several; a directory that failed takes none of the others along", async () => {
    const clock = new StillClock();
    const disk = new MemoryDisk({ clock, random: seededRandom(1) });
    const parts = { files: disk.attach(), clock, random: seededRandom(7), log: silentLogger };
    const logs = await openLogDirectories(parts, { directories: ["/disk1", "/disk2"], offline: [] });
    const highest = { "/disk1": 5, "/disk2": 9 };
    for (const directory of ["/disk1", "/disk2"] as const) {
      logs.move("t", 0, directory);
      await append(await logs.open("t", 0, topicId, settings, true), [`in ${directory}`]);
      await logs.setAside("t", 0, { topicId, highWatermark: highest[directory] });
    }
    expect([folders(disk, "/disk1"), folders(disk, "/disk2")]).toStrictEqual([["t-0.…-stray"], ["t-0.…-stray"]]);
    expect(await takenUp(logs)).toBe(9);
    expect(await valuesOf(await logs.open("t", 0, topicId, settings))).toStrictEqual(["in /disk2"]);
    await logs.setAside("t", 0, { topicId, highWatermark: 9 });
    disk.fault = ({ path }) => (path.startsWith("/disk2") ? "EIO" : null);
    await logs.deleteStrays(new Set([topicId]));
    expect(logs.mayLieOffline).toBe(true);
    expect(folders(disk, "/disk1").filter((name) => name.endsWith("-stray"))).toStrictEqual([]);
    expect(folders(disk, "/disk2").length).toBe(1);
  });

  test("is not taken up while a directory is offline, which may hold the log itself", async () => {
    const clock = new StillClock();
    const disk = new MemoryDisk({ clock, random: seededRandom(1) });
    const start = () =>
      openLogDirectories(
        { files: disk.attach(), clock, random: seededRandom(7), log: silentLogger },
        { directories: ["/disk1", "/disk2"], offline: [] },
      );
    const logs = await start();
    logs.move("t", 0, "/disk1");
    await append(await logs.open("t", 0, topicId, settings, true), ["old"]);
    await logs.setAside("t", 0, { topicId, highWatermark: 1 });
    await logs.close();
    disk.fault = ({ path }) => (path.startsWith("/disk2") ? "EIO" : null);
    const next = await start();
    expect(await takenUp(next)).toBeNull();
    await expect(next.open("t", 0, topicId, settings)).rejects.toThrow(/may lie in \/disk2/);
    disk.fault = null;
    expect(await takenUp(await start())).toBe(1);
  });
});

test.each(["power", "process"] as const)(
  "wherever a crash (%s) comes between, a log is its partition's or a stray, and whole",
  async (how) => {
    for (let crashAt = 1, isDone = false; !isDone; crashAt++) {
      const clock = new StillClock();
      const disk = new MemoryDisk({ clock, random: seededRandom(crashAt) });
      const first = await startStore(disk, {}, clock);
      const log = await first.store.open("t", 0, topicId, settings);
      for (let i = 0; i < 12; i++) await append(log, [`value ${i}`]);
      await log.flush();
      await log.advanceStartOffset(4);
      const from = disk.operations;
      const crash = Promise.withResolvers<"crashed">();
      disk.fault = () => {
        if (disk.operations - from === crashAt) {
          disk.fault = null;
          if (how === "power") disk.crash();
          else disk.loseProcess();
          crash.resolve("crashed");
        }
        return null;
      };
      const thereAndBack = async () => {
        await first.store.setAside("t", 0, { topicId, highWatermark: 10 });
        await takenUp(first.store);
        return "done" as const;
      };
      isDone = (await Promise.race([thereAndBack(), crash.promise])) === "done";
      disk.fault = null;
      if (isDone) disk.crash();
      const next = await startStore(disk, {}, clock);
      const context = `${how} lost at operation ${crashAt}: ${folders(disk)}`;
      const told = await takenUp(next.store);
      expect(told === null || told === 10, context).toBeTruthy();
      const again = await next.store.open("t", 0, topicId, settings);
      expect([again.startOffset, again.endOffset, again.damage], context).toStrictEqual([4, 12, null]);
      expect(folders(disk), context).toStrictEqual(["t-0"]);
    }
  },
);

test("a log whose time is over while it is taken up is taken up or removed, whole, and its directory goes on", async () => {
  const outcomes = new Set<string>();
  for (let expireAt = 1, isDone = false; !isDone; expireAt++) {
    const { store, disk, clock } = await startStore();
    await append(await store.open("t", 0, topicId, settings), ["kept"]);
    await store.setAside("t", 0, { topicId, highWatermark: 1 });
    clock.now += 1;
    const from = disk.operations;
    let expired: Promise<void> | null = null;
    disk.fault = () => {
      if (disk.operations - from === expireAt) expired = store.expireStrays(0);
      return null;
    };
    const told = await takenUp(store);
    isDone = expired === null;
    await expired;
    const context = `its time was over at operation ${expireAt}`;
    expect(store.offline, context).toBeNull();
    const log = await store.open("t", 0, topicId, settings);
    expect([told, await valuesOf(log)], context).toStrictEqual(told === null ? [null, []] : [1, ["kept"]]);
    outcomes.add(told === null ? "removed" : "taken up");
    await store.close();
  }
  expect([...outcomes].sort()).toStrictEqual(["removed", "taken up"]);
});

test("the note is what it was told, and says nothing when it was changed or cut", () => {
  const content = encodeStrayNote(note);
  expect(decodeStrayNote(content)).toStrictEqual(note);
  expect(content.toString()).toMatch(/^0\n9\ntopic t\ntopicId AbCdEfGhIjKlMnOpQrStUw\npartition 3\n/);
  for (let at = 0; at < content.length; at++) {
    expect(decodeStrayNote(content.subarray(0, at)), `cut at ${at}`).toBeNull();
    const changed = Buffer.from(content);
    changed[at]! ^= 1;
    expect(decodeStrayNote(changed), `changed at ${at}`).toBeNull();
  }
});

test("the one to be taken up has the partition's name and the topic's id, and knows most", () => {
  const stray = (name: string, more: Partial<Stray> & { readonly high?: number; readonly late?: number }): Stray => ({
    name,
    key: "t-3",
    topicId,
    note: more.high === undefined ? null : { ...note, highWatermark: more.high, setAsideMs: more.late ?? 0 },
    ...more,
  });
  const all = [
    stray("a", {}),
    stray("b", { high: 4 }),
    stray("c", { high: 9, topicId: otherId }),
    stray("d", { high: 4, late: 7 }),
    stray("e", { high: 9, key: "t-4" }),
  ];
  expect(bestStray(all, "t-3", topicId)?.name).toBe("d");
  expect(bestStray(all.slice(0, 1), "t-3", topicId)?.name).toBe("a");
  expect(bestStray(all, "t-5", topicId)).toBeNull();
  expect(isExpired(stray("f", { high: 1, late: 100 }), { nowMs: 1_101, retentionMs: 1_000 })).toBe(true);
  expect(isExpired(stray("f", { high: 1, late: 100 }), { nowMs: 1_100, retentionMs: 1_000 })).toBe(false);
  expect(isExpired(stray("f", {}), { nowMs: 1e12, retentionMs: 0 })).toBe(false);
});
