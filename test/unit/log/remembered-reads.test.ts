import { describe, expect, test } from "vitest";
import { DamagedBatch, type Log } from "../../../broker/log/log-contract.ts";
import { baseOffsetAt, batchSizeAt, lastOffsetAt } from "../../../protocol/records/batch-header.ts";
import { scanBatches } from "../../../protocol/records/validate-batches.ts";
import type { MemoryDisk } from "../../support/memory-files.ts";
import { append, recordsIn, root, startLog } from "./log-fixture.ts";

const folder = `${root}/t-0`;
const name = (base: number) => `${folder}/${String(base).padStart(20, "0")}.log`;
const checked = { maxBytes: 1, endOffsetLimit: 1e9, minOneBatch: true };
/** As consumers read. */
const trusting = { ...checked, trustsRemembered: true };

/** Nothing in memory; two records in a batch. */
async function coldLog(checkedRememberMs: number) {
  const fixture = await startLog({ segmentBytes: 1300, indexIntervalBytes: 150 }, { tailCacheBytesMax: 0, checkedRememberMs });
  for (let i = 0; i < 30; i++) await append(fixture.log, [`value ${i} a`, `value ${i} b`], 3);
  return fixture;
}

/** In the records of the batch: only its CRC shows it. */
async function rot({ disk, files }: { disk: MemoryDisk; files: { readFile(path: string): Promise<Buffer> } }, base: number, nth: number) {
  const batch = scanBatches(await files.readFile(name(base))).batches[nth]!;
  disk.corrupt(name(base), (content) => {
    const changed = Buffer.from(content);
    changed[batch.position + batch.sizeInBytes - 3]! ^= 4;
    return changed;
  });
  return batch.baseOffset;
}

/** Of the first batch, by its header. */
async function offsetsRead(log: Log, from: number) {
  const chunk = (await log.read(from, trusting)).chunks[0]!;
  return [baseOffsetAt(chunk, 0), lastOffsetAt(chunk, 0)];
}

describe("what was written or checked not long ago", () => {
  test("is not checked again for a consumer, and always is for others: a follower, the scrub", async () => {
    const fixture = await coldLog(1000);
    const offset = await rot(fixture, 0, 2);
    expect(await offsetsRead(fixture.log, offset), "written a moment ago").toEqual([offset, offset + 1]);
    expect(fixture.log.damage).toBeNull();
    await expect(fixture.log.read(offset, checked)).rejects.toThrow(DamagedBatch);
    await expect(fixture.log.read(offset, trusting), "nothing in a damaged log is trusted any more").rejects.toThrow(DamagedBatch);
    expect(fixture.log.damage?.offset).toBe(offset);
  });

  test("is checked again later, once, by whoever reads it", async () => {
    const fixture = await coldLog(1000);
    fixture.clock.now += 1001;
    const offset = await rot(fixture, 0, 2);
    await expect(fixture.log.read(offset, trusting)).rejects.toThrow(DamagedBatch);
    const second = await coldLog(1000);
    second.clock.now += 1001;
    expect(await offsetsRead(second.log, 4)).toEqual([4, 5]);
    await rot(second, 0, 2);
    expect(await offsetsRead(second.log, 4), "checked by the reader before").toEqual([4, 5]);
  });

  test("is checked at every read when that is what is configured", async () => {
    const fixture = await coldLog(0);
    const offset = await rot(fixture, 0, 2);
    await expect(fixture.log.read(offset, trusting)).rejects.toThrow(DamagedBatch);
  });

  test("is forgotten where the log is cut, though the file's name and its bytes' places stay", async () => {
    const fixture = await coldLog(1000);
    const { log } = fixture;
    await log.truncateTo(8);
    const offset = await rot(fixture, 0, 2);
    expect(offset).toBe(4);
    await expect(log.read(offset, trusting)).rejects.toThrow(DamagedBatch);
  });
});

describe("a reader that goes on where it left off", () => {
  test("gets every batch once, whatever it asks for at a time, from every file", async () => {
    const { log } = await coldLog(1000);
    for (const maxBytes of [1, 200, 500, 5000]) {
      const found: number[] = [];
      for (let offset = 0; offset < log.writtenEndOffset; ) {
        const { chunks } = await log.read(offset, { ...trusting, maxBytes });
        for (const record of recordsIn(chunks)) found.push(record.offset);
        offset = endOf(chunks.at(-1)!);
      }
      expect(found, `${maxBytes} bytes at a time`).toEqual(Array.from({ length: 60 }, (_, i) => i));
    }
  });

  test("reads no bytes twice, and finds what was appended behind its place", async () => {
    const { log } = await coldLog(1000);
    const { chunks } = await log.read(0, { ...trusting, maxBytes: 500 });
    const next = await log.read(endOf(chunks.at(-1)!), { ...trusting, maxBytes: 300 });
    expect(next.chunks[0]?.byteOffset, "nothing before it").toBe(0);
    next.release?.();
    const again = await log.read(endOf(chunks.at(-1)!), { ...trusting, maxBytes: 300 });
    expect(again.chunks[0]?.buffer, "into memory that was given back").toBe(next.chunks[0]?.buffer);
    const end = log.writtenEndOffset;
    await log.read(end - 2, trusting);
    await append(log, ["appended"], 3);
    expect(await offsetsRead(log, end)).toEqual([end, end]);
  });
});

function endOf(batches: Buffer): number {
  let endOffset = -1;
  for (let at = 0; at < batches.length; at += batchSizeAt(batches, at)) endOffset = lastOffsetAt(batches, at) + 1;
  return endOffset;
}

test("what is read from a file comes in memory that is counted, and is no larger than what was asked for where that is a usual size", async () => {
  const { log } = await startLog({ segmentBytes: 10_000_000, indexIntervalBytes: 4096 }, { tailCacheBytesMax: 0 });
  for (let i = 0; i < 30; i++) await append(log, ["x".repeat(9000)], 3);
  const many = await log.read(1, { ...trusting, maxBytes: 64 * 1024 });
  expect([many.sizeInBytes > 50_000, many.keptBytes]).toEqual([true, 64 * 1024]);
  const tooLarge = await log.read(1, { ...trusting, maxBytes: 100 });
  expect([tooLarge.sizeInBytes > 9000, tooLarge.keptBytes], "one batch, whatever its size").toEqual([true, 16 * 1024]);
  for (const read of [many, tooLarge]) read.release?.();
});
