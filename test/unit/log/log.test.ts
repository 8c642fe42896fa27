import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { describe, expect, test, vi } from "vitest";
import { openLogStore } from "../../../broker/log/directories/open-directories.ts";
import { type Log, WriteQueueFull } from "../../../broker/log/log-contract.ts";
import { LogWriter } from "../../../broker/log/partition-log/log-writer.ts";
import { nodeFileSystem } from "../../../broker/runtime/node-files.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { randomInt, seededRandom } from "../../../protocol/base/random.ts";
import { fieldAt, writeInt64 } from "../../../protocol/records/batch-header.ts";
import { compressRecords } from "../../../protocol/records/compression.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import { append, batchOf, lead, readAll, recordsIn, root, StillClock, settingsWith, startLog, startStore, topicId } from "./log-fixture.ts";
import { LogModel } from "./log-model.ts";

const time = 1_700_000_000_000;
const everything = { maxBytes: 1e6, endOffsetLimit: 1e9, minOneBatch: true };

function sent(baseOffset: number, leaderEpoch: number, value = "v"): Buffer {
  return encodeBatch([{ key: null, value: Buffer.from(value), headers: [], timestampMs: time }], { baseOffset, leaderEpoch });
}

describe("appending", () => {
  test("assigns offsets in the caller's turn; only what is written is read", async () => {
    const { log } = await startLog();
    const first = lead(log, batchOf(["a", "b"]), 3, 0);
    const second = lead(log, batchOf(["c"]), 3, 0);
    expect([first.baseOffset, first.endOffset, second.baseOffset, second.endOffset]).toStrictEqual([0, 2, 2, 3]);
    expect([log.endOffset, log.writtenEndOffset, log.lastEpoch]).toStrictEqual([3, 0, 3]);
    expect(recordsIn((await log.read(0, everything)).chunks)).toStrictEqual([]);
    await log.written(3);
    expect((await readAll(log)).map((record) => [record.offset, record.value, record.epoch])).toStrictEqual([
      [0, "a", 3],
      [1, "b", 3],
      [2, "c", 3],
    ]);
  });

  test("appends that wait together leave in one write, and listeners hear of it once", async () => {
    const { log, disk } = await startLog();
    let writes = 0;
    disk.fault = ({ kind, path }) => {
      if (kind === "write" && path.endsWith(".log")) writes++;
      return null;
    };
    const heard: number[] = [];
    const stop = log.onWritten((end) => heard.push(end));
    for (let i = 0; i < 500; i++) log.appendAsLeader(parsedBatch(batchOf([`v${i}`])), 0, 0);
    await log.written(500);
    await Promise.resolve();
    expect(writes).toBe(1);
    expect(heard).toStrictEqual([500]);
    stop();
    await append(log, ["later"]);
    await Promise.resolve();
    expect(heard).toStrictEqual([500]);
  });

  test("under LogAppendTime every record gets the append's time", async () => {
    const { log } = await startLog({ messageTimestampType: "LogAppendTime" });
    const { logAppendTimeMs } = lead(log, batchOf(["a", "b"], time), 0, 42);
    expect(logAppendTimeMs).toBe(42);
    await log.written(2);
    expect((await readAll(log)).map((record) => record.timestampMs)).toStrictEqual([42, 42]);
    expect(await log.findByTimestamp(42)).toStrictEqual({ offset: 0, timestampMs: 42, leaderEpoch: 0 });
  });

  test("what the disk does not keep up with is not taken for damage", async () => {
    const { log } = await startLog();
    const room = vi.spyOn(LogWriter.prototype, "hasRoomFor").mockReturnValue(false);
    try {
      expect(() => log.appendAsFollower(sent(0, 5))).toThrow(new WriteQueueFull("too many bytes wait for the disk"));
      expect(!log.appendAsFollower(sent(0, 5).subarray(0, 30)), "damaged all the same").toBeTruthy();
      expect(log.endOffset).toBe(0);
    } finally {
      room.mockRestore();
    }
    expect(log.appendAsFollower(sent(0, 5))).toBeTruthy();
  });

  test("a follower refuses damaged batches and falling leader epochs, and appends nothing of them", async () => {
    const { log } = await startLog();
    expect(log.appendAsFollower(sent(0, 5))).toBeTruthy();
    const damaged = sent(1, 5, "damaged");
    damaged[damaged.length - 2]! ^= 1;
    for (const batches of [
      damaged,
      Buffer.concat([sent(1, 5), damaged]),
      sent(1, 5).subarray(0, 30),
      sent(1, 4),
      Buffer.concat([sent(1, 6), sent(2, 5)]),
      Buffer.alloc(0),
    ])
      expect(!log.appendAsFollower(batches)).toBeTruthy();
    expect(log.endOffset).toBe(1);
    expect(log.appendAsFollower(Buffer.concat([sent(1, 5), sent(2, 6)]))).toBeTruthy();
    expect(log.endOffsetForEpoch(5), "nothing is written yet").toStrictEqual({ epoch: 5, endOffset: 0 });
    await log.written(3);
    expect(log.endOffsetForEpoch(5)).toStrictEqual({ epoch: 5, endOffset: 2 });
    expect(() => log.appendAsFollower(sent(2, 6))).toThrow(/a follower appends behind its end/);
    expect(log.appendAsFollower(sent(7, 6)), "compaction took what was between").toBeTruthy();
    expect(log.endOffset).toBe(8);
  });
});

describe("flushing", () => {
  test("callers who come while a flush runs share the next one", async () => {
    const { log, disk } = await startLog();
    await append(log, ["v"]);
    let syncs = 0;
    disk.fault = ({ kind, path }) => {
      if (kind === "sync" && path.endsWith(".log")) syncs++;
      return null;
    };
    const flushes = Array.from({ length: 50 }, () => log.flush());
    await append(log, ["w"]);
    flushes.push(log.flush());
    await Promise.all(flushes);
    expect(syncs <= 2, `${syncs} syncs`).toBeTruthy();
    await log.flush();
    expect(syncs <= 2, "nothing to flush, nothing synced").toBeTruthy();
  });

  test("a risen recovery point is checkpointed in time", async () => {
    const { log, clock, files } = await startLog();
    await append(log, ["v"]);
    await log.flush();
    expect(
      !(await files.exists(`${root}/recovery-point-offset-checkpoint`)) ||
        !String(await files.readFile(`${root}/recovery-point-offset-checkpoint`)).includes("t 0 1"),
    ).toBeTruthy();
    expect(clock.due.length).toBe(1);
    clock.due[0]?.();
    for (let i = 0; i < 50; i++) await Promise.resolve();
    expect(String(await files.readFile(`${root}/recovery-point-offset-checkpoint`)).includes("t 0 1\n")).toBeTruthy();
  });
});

describe("truncating", () => {
  test("inside a batch cuts all of it", async () => {
    const { log } = await startLog();
    await append(log, ["a"]);
    await append(log, ["b", "c", "d"]);
    await log.truncateTo(2);
    expect([log.endOffset, log.writtenEndOffset]).toStrictEqual([1, 1]);
    expect(await append(log, ["e"])).toBe(1);
    expect((await readAll(log)).map((record) => record.value)).toStrictEqual(["a", "e"]);
  });

  test("writes queued appends first, and appending meanwhile is a bug", async () => {
    const { log } = await startLog();
    for (let i = 0; i < 5; i++) log.appendAsLeader(parsedBatch(batchOf([`v${i}`])), 0, 0);
    const written = log.written(5);
    const truncated = log.truncateTo(3);
    expect(() => log.appendAsLeader(parsedBatch(batchOf(["x"])), 0, 0)).toThrow(/nothing is appended while the log is cut/);
    await Promise.all([written, truncated]);
    expect(log.endOffset).toBe(3);
  });

  test("at the end forgets an epoch that began there without a record", async () => {
    const { log } = await startLog();
    await append(log, ["a"], 1);
    log.beginEpoch(4);
    expect(log.endOffsetForEpoch(4)).toStrictEqual({ epoch: 4, endOffset: 1 });
    expect(log.lastEpoch).toBe(1);
    await log.truncateTo(1);
    expect(log.endOffsetForEpoch(4)).toStrictEqual({ epoch: 1, endOffset: 1 });
    expect(log.appendAsFollower(sent(1, 3)), "an epoch in between may follow now").toBeTruthy();
  });

  test("reads that run meanwhile give old records or new ones, never a mixture or a failure", async () => {
    for (let seed = 0; seed < 25; seed++) {
      const random = seededRandom(seed);
      const clock = new StillClock();
      const disk = new MemoryDisk({ clock: fastClock(), random, latencyMs: { min: 0, max: 1 } });
      const { store } = await startStore(disk, { tailCacheBytesMax: 500, openFilesMax: 2 }, clock);
      const log = await store.open("t", 0, topicId, settingsWith({ segmentBytes: 700, indexIntervalBytes: 100 }));
      for (let i = 0; i < 30; i++) log.appendAsLeader(parsedBatch(batchOf([`0:${i}`])), 0, 0);
      await log.written(30);
      let [generation, done] = [0, false];
      const history = new Map<number, string[]>([...Array(30).keys()].map((i) => [i, [`0:${i}`]]));
      const reading = Array.from({ length: 4 }, async () => {
        while (!done) {
          const from = randomInt(random, 25);
          const { chunks } = await log.read(from, { maxBytes: 400, endOffsetLimit: 1e9, minOneBatch: true }).catch((error: Error) => {
            expect(error.name).toBe("OffsetOutOfLog");
            return { chunks: [] };
          });
          let newest = -1;
          for (const record of recordsIn(chunks)) {
            expect(history.get(record.offset)?.includes(record.value), `seed ${seed}: ${record.value} at ${record.offset}`).toBeTruthy();
            expect(Number(record.value.split(":")[0]) >= newest, `seed ${seed}: an old record behind a new one`).toBeTruthy();
            newest = Number(record.value.split(":")[0]);
          }
        }
      });
      for (let i = 0; i < 6; i++) {
        const end = 5 + randomInt(random, 20);
        await log.truncateTo(end);
        generation++;
        for (let offset = end; offset < 30; offset++) {
          const value = `${generation}:${offset}`;
          history.get(offset)?.push(value);
          log.appendAsLeader(parsedBatch(batchOf([value])), generation, 0);
        }
        await log.written(30);
      }
      done = true;
      await Promise.all(reading);
    }
  });
});

describe("timestamps", () => {
  test("lead into compressed batches, to the record", async () => {
    const { log } = await startLog({ indexIntervalBytes: 0 });
    const { length } = ["none", "gzip", "snappy", "lz4", "zstd"].map((codec, i) => {
      const records = [0, 1, 2].map((j) => ({ key: null, value: Buffer.from(`v${j}`), headers: [], timestampMs: time + i * 10 + j }));
      return lead(log, encodeBatch(records, { codec: codec as "gzip", compress: compressRecords }), 7);
    });
    await log.written(length * 3);
    for (let i = 0; i < length; i++)
      expect(await log.findByTimestamp(time + i * 10 + 1)).toStrictEqual({
        offset: i * 3 + 1,
        timestampMs: time + i * 10 + 1,
        leaderEpoch: 7,
      });
    expect(await log.findByTimestamp(time + 5)).toStrictEqual({ offset: 3, timestampMs: time + 10, leaderEpoch: 7 });
    expect(await log.findByTimestamp(time + 1000)).toBeNull();
    expect(await log.findMaxTimestamp()).toStrictEqual({ offset: 14, timestampMs: time + 42, leaderEpoch: 7 });
  });

  test("large batches are unpacked for one lookup after the other, and no more wait than may", async () => {
    const { log, clock } = await startLog({ maxMessageBytes: 2 ** 22 });
    const records = Array.from({ length: 30_000 }, (_, i) => ({ key: null, value: Buffer.alloc(90), timestampMs: time + i }));
    lead(log, encodeBatch(records, { codec: "zstd", compress: compressRecords }));
    await log.written(30_000);
    const found: unknown[] = [];
    const lookups = Array.from({ length: 110 }, () => log.findByTimestamp(time + 29_999));
    const over = Promise.all(lookups.map((lookup) => lookup.catch((error: Error) => error.name).then((one) => found.push(one))));
    // the first one passes over the records in steps, and this clock stands still
    while (found.length < 10) await new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(found).toStrictEqual(Array(10).fill("TooManyLookups"));
    while (found.length < lookups.length) {
      for (const goOn of clock.due.splice(0)) goOn();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await over;
    expect(found.slice(10)).toStrictEqual(Array(100).fill({ offset: 29_999, timestampMs: time + 29_999, leaderEpoch: 0 }));
  });

  test("an empty log has none, nor one whose records have none", async () => {
    const { log } = await startLog();
    expect(await log.findMaxTimestamp()).toBeNull();
    expect(await log.findByTimestamp(0)).toBeNull();
    await append(log, ["v"], 0, -1);
    expect(await log.findMaxTimestamp()).toBeNull();
  });
});

describe("on the machine's own files", () => {
  test("a log does what a plain array does, is found again, and recovers", async () => {
    const directory = await mkdtemp(`${tmpdir()}/ottla-log-`);
    try {
      const random = seededRandom(11);
      const parts = { files: nodeFileSystem(), clock: new StillClock(), random, log: silentLogger };
      const settings = settingsWith({ segmentBytes: 2000, indexIntervalBytes: 100 });
      let model = new LogModel();
      for (let life = 0; life < 4; life++) {
        const store = await openLogStore(parts, { directory: `${directory}/logs`, tailCacheBytesMax: 3000, openFilesMax: 3 });
        const log: Log = await store.open("t", 0, topicId, settings);
        await model.checkAgainst(log, random);
        for (let i = 0; i < 15; i++) {
          for (let j = randomInt(random, 8); j >= 0; j--) model.append(log, random, j % 2 === 0 ? "leader" : "follower");
          if (random.next() < 0.3) {
            const offset = Math.max(0, model.endOffset - randomInt(random, 15));
            model = model.truncated(offset);
            await log.truncateTo(offset);
          }
          await model.checkAgainst(log, random);
        }
        await store.close();
        if (life % 2 === 0) await rm(`${directory}/logs/.kafka_cleanshutdown`);
      }
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});

test("what failed stays failed: a read error takes the directory offline too", async () => {
  const { log, disk } = await startLog({}, { tailCacheBytesMax: 0 });
  await append(log, ["v"]);
  disk.fault = ({ kind }) => (kind === "read" ? "EIO" : null);
  await expect(log.read(0, everything)).rejects.toThrow(/offline/);
  disk.fault = null;
  await expect(log.read(0, everything)).rejects.toThrow(/offline/);
});

/** Timers that fire in a later turn of the loop, in order of creation: enough for operations to overlap. */
function fastClock() {
  const clock = new StillClock();
  clock.schedule = (delayMs: number, callback: () => void) => {
    const rounds = Math.round(delayMs * 8);
    const wait = (left: number): void => void (left <= 0 ? callback() : queueMicrotask(() => wait(left - 1)));
    queueMicrotask(() => wait(rounds));
    return { cancel: () => {} };
  };
  return clock;
}

describe("at the end of the offsets there are", () => {
  const last = Number.MAX_SAFE_INTEGER;

  test("a leader takes no more records, and says so", async () => {
    const { log } = await startLog();
    await log.truncateFullyAndStartAt(last - 50);
    const refused = log.appendAsLeader(parsedBatch(batchOf(["a", "b"])), 0, 0);
    expect({ ...refused, message: "" }).toStrictEqual({ kind: "refused", error: "INVALID_RECORD", message: "" });
    expect(log.endOffset).toBe(last - 50);
  });

  test("a follower takes no batch that ends beyond", async () => {
    const { log } = await startLog();
    await log.truncateFullyAndStartAt(last - 1);
    const batch = batchOf(["a", "b"]);
    writeInt64(batch, fieldAt.baseOffset, last - 1);
    expect(log.appendAsFollower(batch)).toBe(false);
    expect(log.endOffset).toBe(last - 1);
  });
});
