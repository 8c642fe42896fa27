import { describe, expect, test } from "vitest";
import { DamagedBatch, type Log } from "../../../broker/log/log-contract.ts";
import { scanBatches } from "../../../protocol/records/validate-batches.ts";
import type { MemoryDisk } from "../../support/memory-files.ts";
import { append, readAll, recordsIn, root, settingsWith, startLog, startStore, topicId } from "./log-fixture.ts";

const folder = `${root}/t-0`;
const time = 1_700_000_000_000;
const one = { maxBytes: 1, endOffsetLimit: 1e9, minOneBatch: true };
const name = (base: number, kind = "log") => `${folder}/${String(base).padStart(20, "0")}.${kind}`;

/** Nothing in memory, an index entry for each second batch, segments of twelve or so, some of them in another epoch. */
async function coldLog() {
  const settings = { segmentBytes: 1300, indexIntervalBytes: 150 };
  const fixture = await startLog(settings, { tailCacheBytesMax: 0 });
  for (let i = 0; i < 45; i++) await append(fixture.log, [`value ${i} a`, `value ${i} b`], i < 20 ? 3 : 5, time + i);
  return { ...fixture, settings };
}

function flip(disk: MemoryDisk, path: string, at: number, bit: number): void {
  disk.corrupt(path, (content) => {
    const changed = Buffer.from(content);
    changed[at]! ^= 1 << bit;
    return changed;
  });
}

/** Reads batch by batch: what is there by offset, "damaged" where nothing is served. */
async function served(log: Log): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  for (let offset = log.startOffset; offset < log.writtenEndOffset; offset++) {
    try {
      const { chunks } = await log.read(offset, one);
      for (const record of recordsIn(chunks)) if (record.offset >= offset) found.set(record.offset, `${record.value} ${record.epoch}`);
    } catch (error) {
      if (!(error instanceof DamagedBatch)) throw error;
      if (!found.has(offset)) found.set(offset, "damaged");
    }
  }
  return found;
}

describe("a damaged batch in the middle", () => {
  for (const which of ["sealed", "growing"] as const) {
    test(`of a ${which} segment, whichever byte it is: never served, what is around it is, and the directory stays online`, async () => {
      let size = 1;
      for (let byte = 0; byte < size; byte++) {
        const { disk, log, files } = await coldLog();
        const expected = await served(log);
        expect(expected.size).toBe(90);
        const bases = (await files.list(folder)).filter((file) => file.endsWith(".log")).map((file) => Number(file.slice(0, 20)));
        const base = which === "sealed" ? bases[1]! : bases.at(-1)!;
        const { batches } = scanBatches(await files.readFile(name(base)));
        const batch = batches[1]!;
        size = batch.sizeInBytes;
        flip(disk, name(base), batch.position + byte, byte % 8);
        const found = await served(log);
        const context = `byte ${byte}, bit ${byte % 8}`;
        for (const [offset, value] of expected) {
          if (offset >= batch.baseOffset && offset <= batch.lastOffset)
            expect(found.get(offset), `${context}, offset ${offset}`).toBe("damaged");
          // a header that does not say how long its batch is hides what comes before the next index entry
          else if (offset < batch.baseOffset || offset > batch.lastOffset + 6)
            expect(found.get(offset), `${context}, offset ${offset}`).toBe(value);
          else
            expect(["damaged", value].includes(found.get(offset) ?? ""), `${context}, offset ${offset}: ${found.get(offset)}`).toBeTruthy();
        }
        expect([log.damage?.kind, log.damage?.path], context).toStrictEqual(["batch", name(base)]);
        await append(log, ["it goes on"], 5, time + 1000);
      }
    });
  }

  test("is told once, and known to later lives until the log is started over", async () => {
    const { disk, log, store, files, clock } = await coldLog();
    const told: unknown[] = [];
    log.onDamaged((damage) => told.push([damage.offset, damage.position]));
    const { batches } = scanBatches(await files.readFile(name(0)));
    const { position, baseOffset } = batches[2]!;
    flip(disk, name(0), position + 70, 3);
    for (let i = 0; i < 3; i++) await expect(log.read(baseOffset, one)).rejects.toThrow(DamagedBatch);
    expect(told).toStrictEqual([[baseOffset, position]]);
    await store.close();
    const second = await startStore(disk, {}, clock);
    const again = await second.store.open("t", 0, topicId, settingsWith());
    expect(again.damage?.offset).toBe(baseOffset);
    await again.truncateFullyAndStartAt(10);
    expect(again.damage).toBeNull();
    await append(again, ["anew"], 7);
    await second.store.close();
    const third = await startStore(disk, {}, clock);
    expect((await third.store.open("t", 0, topicId, settingsWith())).damage).toBeNull();
  });

  test("a lookup by time does not trust it either, nor does it hide what other segments have", async () => {
    const { disk, log, files } = await coldLog();
    const { batches } = scanBatches(await files.readFile(name(0)));
    const { position } = batches[2]!;
    flip(disk, name(0), position + 70, 3);
    await expect(log.findByTimestamp(time + 2)).rejects.toThrow(DamagedBatch);
    expect(await log.findByTimestamp(time + 30)).toStrictEqual({ offset: 60, timestampMs: time + 30, leaderEpoch: 5 });
    expect(log.damage?.position).toBe(position);
  });

  test("a cut by a follower at a damaged place says so, and leaves the log as it was", async () => {
    const { disk, log, files } = await coldLog();
    const { batches } = scanBatches(await files.readFile(name(0)));
    flip(disk, name(0), batches[2]!.position + 10, 6);
    await expect(log.truncateTo(5)).rejects.toThrow(DamagedBatch);
    expect(log.endOffset).toBe(90);
    expect(log.damage).not.toBeNull();
    await append(log, ["it goes on"], 5, time + 1000);
  });
});

describe("an index that leads to a wrong place", () => {
  test("is rebuilt, and every read is right: an entry too far, one inside a batch, wrong times", async () => {
    const damages: [string, "index" | "timeindex", (content: Buffer) => void][] = [
      ["position of a later batch", "index", (content) => content.writeInt32BE(content.readInt32BE(12), 4)],
      ["inside a batch", "index", (content) => content.writeInt32BE(content.readInt32BE(4) + 13, 4)],
      ["an offset too low", "index", (content) => content.writeInt32BE(content.readInt32BE(0) - 1, 0)],
      ["an offset too high", "index", (content) => content.writeInt32BE(content.readInt32BE(0) + 1, 0)],
      ["a time too high", "timeindex", (content) => content.writeBigInt64BE(content.readBigInt64BE(0) + 1n, 0)],
      ["a time too low", "timeindex", (content) => content.writeBigInt64BE(content.readBigInt64BE(12) - 1n, 12)],
      ["the offset of a later batch", "timeindex", (content) => content.writeInt32BE(content.readInt32BE(20) - 1, 8)],
    ];
    for (const [what, kind, change] of damages) {
      const { disk, log, store, clock } = await coldLog();
      const expected = await readAll(log);
      await store.close();
      disk.corrupt(name(0, kind), (content) => {
        const changed = Buffer.from(content);
        change(changed);
        return changed;
      });
      const second = await startStore(disk, {}, clock);
      const again = await second.store.open("t", 0, topicId, settingsWith());
      for (const { offset, value, timestampMs } of expected) {
        expect(recordsIn((await again.read(offset, one)).chunks).find((record) => record.offset === offset)?.value, what).toBe(value);
        const first = expected.find((record) => record.timestampMs >= timestampMs);
        expect((await again.findByTimestamp(timestampMs))?.offset, `${what}: time ${timestampMs - time}`).toBe(first?.offset);
      }
      expect(again.damage, what).toBeNull();
    }
  });
});
