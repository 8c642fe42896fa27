import { describe, expect, test } from "vitest";
import { checksumOfCleanStop } from "../../../broker/log/files/clean-stop.ts";
import { LogOffline, OffsetOutOfLog } from "../../../broker/log/log-contract.ts";
import { isSoundIndex, offsetIndexFormat, timeIndexFormat } from "../../../broker/log/segment/index-file.ts";
import { InconsistentTopicId } from "../../../broker/log/store-contract.ts";
import { scanBatches } from "../../../protocol/records/validate-batches.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import {
  append,
  batchOf,
  fileContents,
  lead,
  readAll,
  recordsIn,
  root,
  settingsWith,
  startLog,
  startStore,
  topicId,
} from "./log-fixture.ts";

const folder = `${root}/t-0`;
const time = 1_700_000_000_000;

/** What Kafka's dump tool checks of an index: its entries are the batches' own last offsets, positions and timestamps. */
function checkIndexes(files: Map<string, Buffer>): { offsetEntries: number; timeEntries: number } {
  let [offsetEntries, timeEntries] = [0, 0];
  for (const [name, content] of files) {
    if (!name.endsWith(".log")) continue;
    const base = Number(name.slice(0, 20));
    const { batches, tail } = scanBatches(content);
    expect(tail.kind).toBe("clean");
    const [index, times] = [files.get(name.replace(".log", ".index"))!, files.get(name.replace(".log", ".timeindex"))!];
    expect(isSoundIndex(offsetIndexFormat, index, base, content.length), name).toBeTruthy();
    expect(isSoundIndex(timeIndexFormat, times, base, base + 2 ** 31), name).toBeTruthy();
    for (let at = 0; at < index.length; at += 8) {
      const batch = batches.find((candidate) => candidate.position === index.readInt32BE(at + 4));
      expect(batch?.lastOffset).toBe(base + index.readInt32BE(at));
      offsetEntries++;
    }
    for (let at = 0; at < times.length; at += 12) {
      const batch = batches.find((candidate) => candidate.lastOffset === base + times.readInt32BE(at + 8));
      expect(batch?.maxTimestampMs).toBe(Number(times.readBigInt64BE(at)));
      timeEntries++;
    }
    const largest = Math.max(...batches.map((batch) => batch.maxTimestampMs));
    if (batches.length > 0)
      expect(Number(times.readBigInt64BE(times.length - 12)), "the last entry is the segment's largest timestamp").toBe(largest);
  }
  return { offsetEntries, timeEntries };
}

describe("the files", () => {
  test("are Kafka's, after a clean stop and after recovery alike", async () => {
    const { log, store, disk, files, clock } = await startLog({ segmentBytes: 20_000 });
    for (let i = 0; i < 300; i++)
      await append(log, [`value ${i}`, "x".repeat(i)], i < 100 ? 0 : 2, [time + i * 10, time + ((i * 7919) % 500)]);
    await store.close(7);
    const closed = await fileContents(files);
    const { offsetEntries, timeEntries } = checkIndexes(closed);
    expect(offsetEntries >= 10 && timeEntries >= 6, `${offsetEntries} and ${timeEntries} entries`).toBeTruthy();
    expect(String(closed.get("leader-epoch-checkpoint"))).toBe("0\n2\n0 0\n2 200\n");
    expect(String(closed.get("partition.metadata"))).toBe(`version: 0\ntopic_id: ${topicId}`);
    expect(String(await files.readFile(`${root}/recovery-point-offset-checkpoint`))).toBe("0\n1\nt 0 600\n");
    expect(String(await files.readFile(`${root}/log-start-offset-checkpoint`))).toBe("0\n0\n");
    const checksum = checksumOfCleanStop(await files.readFile(`${root}/ottla-clean-stop`));
    const marker = `{"version":0,"brokerEpoch":7,"ottla":{"closed_crc32c":${checksum}}}`;
    expect(String(await files.readFile(`${root}/.kafka_cleanshutdown`))).toBe(marker);

    await files.remove(`${root}/.kafka_cleanshutdown`);
    await files.remove(`${root}/recovery-point-offset-checkpoint`);
    const second = await startStore(disk, {}, clock);
    expect(await fileContents(second.files), "recovery builds the same bytes").toStrictEqual(closed);
    expect(!(await second.files.exists(`${root}/.kafka_cleanshutdown`))).toBeTruthy();
    expect(!(await second.files.exists(`${root}/ottla-clean-stop`)), "ours, gone after the next start").toBeTruthy();
  });

  test("a clean start reads no whole segment, and few files stay open over many segments", async () => {
    const { log, store, disk, clock } = await startLog({ segmentBytes: 300 }, { openFilesMax: 8 });
    for (let i = 0; i < 400; i++) await append(log, [`value ${i} ${"x".repeat(150)}`]);
    await store.close();
    let readBytesOps = 0;
    disk.fault = ({ kind, path }) => {
      if (kind === "read" && path.endsWith(".log")) readBytesOps++;
      return null;
    };
    const second = await startStore(disk, { openFilesMax: 8 }, clock);
    const again = await second.store.open("t", 0, topicId, settingsWith({ segmentBytes: 300 }));
    expect(readBytesOps <= 3, `${readBytesOps} reads of logs to open`).toBeTruthy();
    disk.fault = null;
    expect((await readAll(again)).length).toBe(400);
    expect(await again.findByTimestamp(0)).toStrictEqual({ offset: 0, timestampMs: time, leaderEpoch: 0 });
    await expect(again.read(401, { maxBytes: 1, endOffsetLimit: 500, minOneBatch: true })).rejects.toThrow(OffsetOutOfLog);
  });

  test("an index longer than what is kept of it in memory still leads to every batch, also after a cut", async () => {
    const { log } = await startLog({ indexIntervalBytes: 0 }, { tailCacheBytesMax: 0 });
    for (let i = 0; i < 12_000; i++) {
      log.appendAsLeader(parsedBatch(batchOf([`${i}`], time + i)), 0, 0);
      if (i % 500 === 499) await log.written(i + 1);
    }
    const check = async (offsets: readonly number[]) => {
      for (const offset of offsets) {
        const { chunks } = await log.read(offset, { maxBytes: 1, endOffsetLimit: 1e9, minOneBatch: true });
        expect(recordsIn(chunks).map((record) => record.value)).toStrictEqual([`${offset}`]);
        expect(await log.findByTimestamp(time + offset)).toStrictEqual({ offset, timestampMs: time + offset, leaderEpoch: 0 });
      }
    };
    await check([0, 1, 17, 4095, 4096, 7000, 10_500, 11_999]);
    await log.truncateTo(6000);
    await check([0, 3000, 5999]);
    await append(log, ["6000"], 0, time + 6000);
    await check([5999, 6000]);
  });

  test("segments roll by size, by the records' time, and when an index is full", async () => {
    const bases = async (
      changes: Parameters<typeof startLog>[0],
      appendAll: (log: Awaited<ReturnType<typeof startLog>>["log"]) => Promise<void>,
    ) => {
      const { log, files } = await startLog(changes);
      await appendAll(log);
      return [...(await fileContents(files)).keys()].filter((name) => name.endsWith(".log")).map((name) => Number(name.slice(0, 20)));
    };
    const size = batchOf(["v"]).length;
    const ten = async (log: Parameters<typeof append>[0], step = 0) => {
      for (let i = 0; i < 10; i++) await append(log, ["v"], 0, time + i * step);
    };
    expect(await bases({ segmentBytes: size * 4 }, (log) => ten(log))).toStrictEqual([0, 4, 8]);
    expect(await bases({ segmentMs: 30 }, (log) => ten(log, 10))).toStrictEqual([0, 4, 8]);
    expect(await bases({ segmentIndexBytes: 24, indexIntervalBytes: 0 }, (log) => ten(log, 10))).toStrictEqual([0, 2, 4, 6, 8]);
  });

  test("segments roll earlier by a random part, another one for each", async () => {
    const basesWith = async (segmentJitterMs: number, segmentMs = 50) => {
      const { log, files } = await startLog({ segmentMs, segmentJitterMs });
      for (let i = 0; i < 200; i++) await append(log, ["v"], 0, time + i);
      return [...(await fileContents(files)).keys()].filter((name) => name.endsWith(".log")).map((name) => Number(name.slice(0, 20)));
    };
    expect(await basesWith(0)).toStrictEqual([0, 51, 102, 153]);
    const bases = await basesWith(30);
    const sizes = bases.slice(1).map((base, i) => base - bases[i]!);
    expect(
      sizes.every((size) => size > 20 && size <= 51),
      `${sizes}`,
    ).toBeTruthy();
    expect(new Set(sizes).size > 1, `${sizes}`).toBeTruthy();
    // no more than the segment's age
    expect((await basesWith(1_000_000)).length > 4).toBeTruthy();
  });
});

describe("damage", () => {
  test("at any byte of the last batch cuts that batch and nothing else", async () => {
    const { log, disk, clock } = await startLog();
    await append(log, ["first", "second"]);
    await log.flush();
    const before = (await fileContents(disk.attach())).get("00000000000000000000.log")!.length;
    await append(log, ["the last batch"]);
    const whole = (await fileContents(disk.attach())).get("00000000000000000000.log")!;
    for (let at = before; at < whole.length; at++) {
      for (const change of ["flip", "cut"] as const) {
        disk.loseProcess();
        disk.corrupt(`${folder}/00000000000000000000.log`, () => {
          const bytes = Buffer.from(whole);
          if (change === "flip") bytes[at]! ^= 0x55;
          return change === "flip" ? bytes : bytes.subarray(0, at);
        });
        const { store, files } = await startStore(disk, {}, clock);
        const again = await store.open("t", 0, topicId, settingsWith());
        // the leader epoch is not covered by the CRC: a changed one may be a later epoch
        const epochOnly = change === "flip" && at - before >= 12 && at - before < 16 && again.endOffset === 3;
        expect(again.endOffset, `${change} at ${at - before}`).toBe(epochOnly ? 3 : 2);
        if (!epochOnly) expect(await files.size(`${folder}/00000000000000000000.log`)).toBe(before);
        expect((await readAll(again))[1]?.value).toBe("second");
        expect(await append(again, ["next"], 2 ** 31 - 1)).toStrictEqual(again.endOffset - 1);
      }
    }
  });

  const damages: Record<string, (content: Buffer) => Buffer | null> = {
    missing: () => null,
    empty: () => Buffer.alloc(0),
    "cut inside an entry": (content) => content.subarray(0, content.length - 5),
    "zeros at its end": (content) => Buffer.concat([content, Buffer.alloc(48)]),
    "zeros all over": (content) => Buffer.alloc(content.length),
    "entries in the wrong order": (content) =>
      Buffer.concat([content.subarray(content.length - 24), content.subarray(0, content.length - 24)]),
    "positions beyond the file": (content) => content.map((byte, i) => (i % 4 === 0 ? 0x7f : byte)) as Buffer,
  };
  for (const [name, damage] of Object.entries(damages)) {
    test(`indexes that are damaged (${name}) are rebuilt, and reads are right`, async () => {
      const { log, store, disk, files, clock } = await startLog({ segmentBytes: 8000, indexIntervalBytes: 200 });
      for (let i = 0; i < 200; i++) await append(log, [`value ${i}`], 0, time + i);
      const expected = await readAll(log);
      await store.close();
      for (const file of await files.list(folder)) {
        if (!file.endsWith("index")) continue;
        const content = damage(await files.readFile(`${folder}/${file}`));
        if (content === null) await files.remove(`${folder}/${file}`);
        else disk.corrupt(`${folder}/${file}`, () => Buffer.from(content));
      }
      const second = await startStore(disk, {}, clock);
      const again = await second.store.open("t", 0, topicId, settingsWith({ segmentBytes: 8000, indexIntervalBytes: 200 }));
      expect(await readAll(again, 0, 300)).toStrictEqual(expected);
      for (const i of [0, 60, 61, 120, 199]) {
        const found = await again.findByTimestamp(time + i);
        expect(found, `at ${i}`).toStrictEqual({ offset: i, timestampMs: time + i, leaderEpoch: 0 });
      }
      await append(again, ["more"], 0, time + 1000);
      await again.truncateTo(90);
      expect(await readAll(again, 0, 300)).toStrictEqual(expected.slice(0, 90));
      expect(again.endOffset).toBe(90);
    });
  }

  test("leader epochs whose file is missing or damaged come from the batches", async () => {
    for (const clean of [true, false]) {
      for (const content of [null, "rubbish"]) {
        const { log, store, disk, files, clock } = await startLog({ segmentBytes: 500 });
        for (let i = 0; i < 30; i++) await append(log, [`value ${i}`], Math.floor(i / 10) * 3);
        await log.flush();
        if (clean) await store.close();
        if (content === null) await files.remove(`${folder}/leader-epoch-checkpoint`);
        else disk.corrupt(`${folder}/leader-epoch-checkpoint`, () => Buffer.from(content));
        if (!clean) disk.loseProcess();
        const second = await startStore(disk, {}, clock);
        const again = await second.store.open("t", 0, topicId, settingsWith());
        expect(again.endOffsetForEpoch(4), `clean ${clean}, ${content}`).toStrictEqual({ epoch: 3, endOffset: 20 });
        expect(again.lastEpoch).toBe(6);
      }
    }
  });

  test("leftovers of interrupted work are removed, other folders left alone", async () => {
    const { log, disk, files, clock } = await startLog();
    await append(log, ["v"]);
    await files.makeDirectory(`${root}/lost+found`);
    await files.makeDirectory(`${root}/old-1.0123456789abcdef0123456789abcdef-delete/deep`);
    for (const name of ["a.tmp", "00000000000000000000.log.swap", "x.cleaned", "y.deleted", "00000000000000000005.index"])
      await (await files.open(`${folder}/${name}`, "readwrite")).close();
    disk.loseProcess();
    const second = await startStore(disk, {}, clock);
    await second.store.open("t", 0, topicId, settingsWith());
    await second.store.close();
    expect(await second.files.list(folder)).toStrictEqual([
      "00000000000000000000.index",
      "00000000000000000000.log",
      "00000000000000000000.timeindex",
      "00000000000000000001.snapshot",
      "leader-epoch-checkpoint",
      "partition.metadata",
    ]);
    expect((await second.files.list(root)).includes("lost+found")).toBeTruthy();
    expect(!(await second.files.list(root)).some((name) => name.endsWith("-delete"))).toBeTruthy();
  });
});

describe("the store", () => {
  test("deletes a log by renaming its folder, and the name is free at once", async () => {
    const { log, store, files } = await startLog();
    await append(log, ["old"]);
    await store.delete("t", 0, topicId);
    expect(!(await files.exists(folder))).toBeTruthy();
    const other = "ZZZZZZZZZZZZZZZZZZZZZQ";
    const fresh = await store.open("t", 0, other, settingsWith());
    expect(fresh.endOffset).toBe(0);
    await append(fresh, ["new"]);
    await expect(log.read(0, { maxBytes: 1, endOffsetLimit: 9, minOneBatch: true })).rejects.toThrow(LogOffline);
    await store.close();
    expect(
      !(await files.list(root)).some((name) => name.endsWith("-delete")),
      "removed in the background, at the latest when the store closes",
    ).toBeTruthy();
  });

  test("refuses a folder of an earlier topic with the same name", async () => {
    const { store, disk, clock } = await startLog();
    await store.close();
    const second = await startStore(disk, {}, clock);
    await expect(second.store.open("t", 0, "ZZZZZZZZZZZZZZZZZZZZZQ", settingsWith())).rejects.toThrow(InconsistentTopicId);
    await second.store.open("t", 0, topicId, settingsWith());
  });

  test("opens a log once, and again after it was closed", async () => {
    const { log, store } = await startLog();
    expect(await store.open("t", 0, topicId, settingsWith())).toBe(log);
    await append(log, ["v"]);
    await log.close();
    const again = await store.open("t", 0, topicId, settingsWith());
    expect(again.endOffset).toBe(1);
  });

  test("keeps high watermarks", async () => {
    const { store, disk, clock } = await startLog();
    await store.checkpointHighWatermarks(
      new Map([
        ["t-0", 5],
        ["a-b-12", 7],
      ]),
    );
    disk.crash();
    const second = await startStore(disk, {}, clock);
    expect(second.store.highWatermarks).toStrictEqual(
      new Map([
        ["t-0", 5],
        ["a-b-12", 7],
      ]),
    );
  });

  for (const kind of ["write", "sync"] as const) {
    test(`a failed ${kind} takes the directory offline: nothing is acknowledged any more, by any of its logs`, async () => {
      const { log, store, disk, files, clock } = await startLog();
      const other = await store.open("other", 1, "ZZZZZZZZZZZZZZZZZZZZZQ", settingsWith());
      const causes: unknown[] = [];
      store.onOffline(({ error }) => causes.push(error.cause));
      await append(log, ["before"]);
      disk.fault = (operation) => (operation.kind === kind && operation.path.endsWith(".log") ? "ENOSPC" : null);
      const { endOffset } = lead(log, batchOf(["lost"]));
      const waits = [log.written(endOffset), log.flush()];
      for (const wait of kind === "write" ? waits : waits.slice(1)) await expect(wait).rejects.toThrow(LogOffline);
      await waits[0]?.catch(() => undefined);
      disk.fault = null;
      expect((causes[0] as { code: string }).code).toBe("ENOSPC");
      expect(causes.length).toBe(1);
      expect(throwsOffline(() => log.appendAsLeader(parsedBatch(batchOf(["more"])), 0, 0))).toBeTruthy();
      expect(throwsOffline(() => other.appendAsLeader(parsedBatch(batchOf(["more"])), 0, 0))).toBeTruthy();
      await expect(other.flush()).rejects.toThrow(LogOffline);
      await expect(store.open("third", 0, topicId, settingsWith())).rejects.toThrow(LogOffline);
      await expect(store.close()).rejects.toThrow(LogOffline);
      expect(!(await files.exists(`${root}/.kafka_cleanshutdown`))).toBeTruthy();
      disk.loseProcess();
      const second = await startStore(disk, {}, clock);
      const again = await second.store.open("t", 0, topicId, settingsWith());
      expect((await readAll(again))[0]?.value).toBe("before");
    });
  }
});

function throwsOffline(work: () => unknown): boolean {
  try {
    work();
    return false;
  } catch (error) {
    return error instanceof LogOffline;
  }
}
