import { describe, expect, test } from "vitest";
import { LogOffline } from "../../../broker/log/log-contract.ts";
import { randomInt, seededRandom } from "../../../protocol/base/random.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { type DiskOperation, MemoryDisk } from "../../support/memory-files.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import { append, batchOf, lead, readAll, root, StillClock, settingsWith, startLog, startStore, topicId } from "./log-fixture.ts";

const everything = { maxBytes: 1e6, endOffsetLimit: 1e9, minOneBatch: true };

/** Counts what is done to a disk, by kind of operation and of file. */
function countOperations(disk: MemoryDisk, counted: (operation: DiskOperation) => boolean): () => number {
  let count = 0;
  disk.fault = (operation) => {
    if (counted(operation)) count++;
    return null;
  };
  return () => count;
}

const isLogSync = ({ kind, path }: DiskOperation) => kind === "sync" && path.endsWith(".log");

/** Files whose fsync hangs until it is let go, or fails. */
function holdSyncs(disk: MemoryDisk) {
  const waiting: (() => void)[] = [];
  let failing: string | null = null;
  const begin = disk.begin.bind(disk);
  disk.begin = async (kind, path) => {
    if (isLogSync({ kind, path })) await new Promise<void>((resolve) => waiting.push(resolve));
    return failing !== null && isLogSync({ kind, path }) ? failing : begin(kind, path);
  };
  return {
    waiting,
    release: (code: string | null = null) => {
      failing = code;
      for (const go of waiting.splice(0)) go();
    },
    end: () => {
      disk.begin = begin;
    },
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise<void>((resolve) => setImmediate(resolve));
}

describe("flush.messages", () => {
  test("1: nothing counts as written, is read or acknowledged before it is on the disk, for a leader and for a follower", async () => {
    for (const asFollower of [false, true]) {
      const { log, disk } = await startLog({ flushMessages: 1 });
      await append(log, ["first"]);
      const held = holdSyncs(disk);
      const told: number[] = [];
      log.onWritten((end) => told.push(end));
      if (asFollower)
        expect(
          log.appendAsFollower(
            encodeBatch([{ key: null, value: Buffer.from("v"), headers: [], timestampMs: 1 }], { baseOffset: 1, leaderEpoch: 0 }),
          ),
        ).toBeTruthy();
      else log.appendAsLeader(parsedBatch(batchOf(["v"])), 0, 0);
      let acknowledged = false;
      void log.written(2).then(() => {
        acknowledged = true;
      });
      await until(() => held.waiting.length === 1);
      expect([log.endOffset, log.writtenEndOffset, acknowledged, told]).toStrictEqual([2, 1, false, []]);
      expect(!log.isCached(1)).toBeTruthy();
      expect((await log.read(1, everything)).chunks).toStrictEqual([]);
      expect(await log.findByTimestamp(1_800_000_000_000)).toBeNull();
      held.release();
      await log.written(2);
      await until(() => acknowledged && told.length === 1);
      expect([log.writtenEndOffset, told, log.isCached(1)]).toStrictEqual([2, [2], true]);
      expect((await readAll(log)).length).toBe(2);
    }
  });

  test("group commit: what is appended while an fsync runs shares the next one", async () => {
    const { log, disk } = await startLog({ flushMessages: 1 });
    await append(log, ["first"]);
    const syncs = countOperations(disk, isLogSync);
    const held = holdSyncs(disk);
    const producers = Array.from({ length: 100 }, async (_, producer) => {
      for (let i = 0; i < 20; i++) await append(log, [`${producer} ${i}`]);
    });
    const all = Promise.all(producers);
    let rounds = 0;
    while (log.writtenEndOffset < 2001) {
      await until(() => held.waiting.length > 0);
      expect(held.waiting.length, "one fsync at a time").toBe(1);
      held.release();
      rounds++;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await all;
    expect(syncs()).toBe(rounds);
    expect(rounds <= 21, `${rounds} fsyncs for 2000 acknowledgements to 100 producers`).toBeTruthy();
    expect(rounds >= 20, "each producer waits for each of its own").toBeTruthy();
  });

  test("10: a write is forced when ten records or more would be waiting", async () => {
    const { log, disk } = await startLog({ flushMessages: 10 });
    await log.flush();
    const syncs = countOperations(disk, isLogSync);
    const synced: number[] = [];
    for (let i = 0; i < 12; i++) {
      await append(log, ["one", "two", "three"]);
      synced.push(syncs());
    }
    expect(synced).toStrictEqual([0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3]);
    log.updateSettings(settingsWith({ flushMessages: 1 }));
    await append(log, ["v"]);
    expect(syncs(), "a changed setting counts from the next write on").toBe(4);
  });

  test("a new segment's first record is acknowledged after the folder that names it was synced", async () => {
    const { log, disk } = await startLog({ flushMessages: 1, segmentBytes: 200 });
    let namesSynced = true;
    disk.fault = ({ kind, path }) => {
      if (kind === "open" && path.endsWith(".log")) namesSynced = false;
      if (kind === "syncDirectory" && path === `${root}/t-0`) namesSynced = true;
      return null;
    };
    for (let i = 0; i < 20; i++) {
      await append(log, [`value ${i}`, "x".repeat(60)]);
      expect(namesSynced, `record ${i}`).toBeTruthy();
    }
  });

  test("a failed fsync takes the directory offline and acknowledges nothing", async () => {
    const { log, store, disk, clock } = await startLog({ flushMessages: 1 });
    await append(log, ["kept"]);
    const causes: unknown[] = [];
    store.onOffline(({ error }) => causes.push((error.cause as { code: string }).code));
    const held = holdSyncs(disk);
    const waits = ["a", "b"].map((value) => log.written(lead(log, batchOf([value])).endOffset));
    const outcomes = Promise.allSettled(waits);
    await until(() => held.waiting.length === 1);
    const later = log.written(lead(log, batchOf(["c"])).endOffset);
    held.release("EIO");
    for (const { status } of await outcomes) expect(status).toBe("rejected");
    await expect(later).rejects.toThrow(LogOffline);
    expect([causes, log.writtenEndOffset]).toStrictEqual([["EIO"], 1]);
    held.end();
    disk.crash();
    const second = await startStore(disk, {}, clock);
    const again = await second.store.open("t", 0, topicId, settingsWith());
    expect((await readAll(again))[0]?.value).toBe("kept");
  });

  test("1: what was acknowledged outlives a power failure at any moment (300 seeds)", async () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = seededRandom(seed);
      const clock = new StillClock();
      const disk = new MemoryDisk({ clock, random: seededRandom(seed + 1000) });
      const { store } = await startStore(disk, { tailCacheBytesMax: 500 }, clock);
      const log = await store.open("t", 0, topicId, settingsWith({ flushMessages: 1, segmentBytes: 700, indexIntervalBytes: 100 }));
      const acknowledged: string[] = [];
      const crashAt = disk.operations + 1 + randomInt(random, 300);
      const produce = async (producer: number) => {
        for (let i = 0; i < 30; i++) {
          const values = Array.from(
            { length: 1 + randomInt(random, 3) },
            (_, j) => `${producer} ${i} ${j} ${"x".repeat(randomInt(random, 90))}`,
          );
          const { baseOffset, endOffset } = lead(log, batchOf(values));
          await log.written(endOffset);
          values.forEach((value, j) => {
            acknowledged[baseOffset + j] = value;
          });
        }
      };
      let crashed = false;
      disk.fault = () => {
        crashed ||= disk.operations >= crashAt;
        return null;
      };
      const work = Promise.all([produce(1), produce(2), produce(3)]).catch(() => undefined);
      await Promise.race([work, until(() => crashed)]);
      disk.fault = null;
      disk.crash();
      const second = await startStore(disk, {}, clock);
      const again = await second.store.open("t", 0, topicId, settingsWith());
      const found = (await readAll(again)).map((record) => record.value);
      expect(found.slice(0, acknowledged.length), `seed ${seed}`).toStrictEqual(acknowledged);
    }
  });
});

describe("flush.ms", () => {
  test("forces what waits when its time is up, once for all of it, and does nothing when nothing waits", async () => {
    const { log, disk, clock } = await startLog({ flushMs: 500 });
    await log.flush();
    const syncs = countOperations(disk, isLogSync);
    const scheduled: number[] = [];
    const schedule = clock.schedule.bind(clock);
    clock.schedule = (delayMs, callback) => {
      scheduled.push(delayMs);
      return schedule(delayMs, callback);
    };
    clock.due.splice(0);
    for (let i = 0; i < 5; i++) await append(log, ["v"]);
    expect(scheduled, "counted from the first record that waits").toStrictEqual([500]);
    for (const fire of clock.due.splice(0)) fire();
    await until(() => syncs() === 1);
    await log.flush();
    expect(syncs(), "nothing was left to flush").toBe(1);

    await append(log, ["v"]);
    await log.flush();
    expect(syncs()).toBe(2);
    for (const fire of clock.due.splice(0)) fire();
    await log.flush();
    expect(syncs(), "the timer found nothing unflushed").toBe(2);

    await append(log, ["v"]);
    log.updateSettings(settingsWith({ flushMs: 20 }));
    expect(scheduled.at(-1)).toBe(20);
    log.updateSettings(settingsWith({}));
    clock.due.splice(0);
    await append(log, ["v"]);
    expect(clock.due, "off by default").toStrictEqual([]);
  });

  test("a log that was closed keeps no timer", async () => {
    const { log, clock } = await startLog({ flushMs: 500 });
    await append(log, ["v"]);
    await log.close();
    expect(clock.due.length <= 1, "the store's own checkpoint at most").toBeTruthy();
  });
});

describe("a clean stop", () => {
  const isWait = ({ kind, path }: DiskOperation) => (kind === "sync" || kind === "syncDirectory") && path.startsWith(`${root}/t-`);

  test("waits for the disk for no log in which nothing was written, new ones and those with a new leader included", async () => {
    const first = await startStore();
    await append(await first.store.open("t", 0, topicId, settingsWith()), ["v"]);
    await first.store.close();
    const second = await startStore(first.disk, {}, first.clock);
    const again = await second.store.open("t", 0, topicId, settingsWith());
    const fresh = await second.store.open("t", 1, topicId, settingsWith());
    for (const log of [again, fresh]) log.beginEpoch(7);
    const waits = countOperations(first.disk, isWait);
    await second.store.close();
    expect(waits()).toBe(0);
    const third = await startStore(first.disk, {}, first.clock);
    expect((await readAll(await third.store.open("t", 0, topicId, settingsWith()))).map(({ value }) => value)).toStrictEqual(["v"]);
    expect((await third.store.open("t", 1, topicId, settingsWith())).endOffset).toBe(0);
  });

  test("of which the notes are lost with the power loses nothing else, and the note of an earlier stop is not back", async () => {
    for (let seed = 0; seed < 60; seed++) {
      const { disk, clock, store } = await startStore(undefined, {}, new StillClock(), seed);
      const settings = settingsWith({ segmentBytes: 300 });
      await append(await store.open("t", 0, topicId, settings), ["first"]);
      await store.close();
      const second = await startStore(disk, {}, clock);
      const log = await second.store.open("t", 0, topicId, settings);
      for (let i = 0; i < seed % 7; i++) await append(log, [`value ${i}`, "x".repeat(60)]);
      const values = (await readAll(log)).map(({ value }) => value);
      await second.store.close();
      disk.crash();
      const third = await startStore(disk, {}, clock);
      const found = await third.store.open("t", 0, topicId, settings);
      expect([found.damage, (await readAll(found)).map(({ value }) => value)], `seed ${seed}`).toEqual([null, values]);
    }
  });
});
