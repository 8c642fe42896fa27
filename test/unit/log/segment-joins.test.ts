import { describe, expect, test } from "vitest";
import { fileNames, parseSegmentFileName } from "../../../broker/log/files/file-names.ts";
import { DamagedBatch, type Log } from "../../../broker/log/log-contract.ts";
import { scanBatches } from "../../../protocol/records/validate-batches.ts";
import { cleanerOf, compacted, keyedBatch } from "./compaction/compaction-fixture.ts";
import { append, type Fixture, lead, readAll, recordsIn, root, settingsWith, startLog, startStore, topicId } from "./log-fixture.ts";

const folder = `${root}/t-0`;
const settings = { segmentBytes: 500, indexIntervalBytes: 150 };
const name = (base: number, kind = "log") => `${folder}/${String(base).padStart(20, "0")}.${kind}`;

/** Forty records, nothing of them in memory, all of them on the disk. */
async function flushedLog(): Promise<Fixture & { log: Log; bases: number[] }> {
  const fixture = await startLog(settings, { tailCacheBytesMax: 0 });
  for (let i = 0; i < 40; i++) await append(fixture.log, [`value ${i}`]);
  await fixture.log.flush();
  await fixture.store.writeCheckpoints();
  return { ...fixture, bases: await basesIn(fixture) };
}

async function basesIn({ files }: Fixture): Promise<number[]> {
  const names = (await files.list(folder)).map(parseSegmentFileName);
  return names.filter((parsed) => parsed?.kind === "log").map((parsed) => parsed!.baseOffset);
}

async function reopened({ disk, clock }: Fixture): Promise<Fixture & { log: Log }> {
  const fixture = await startStore(disk, { tailCacheBytesMax: 0 }, clock);
  return { ...fixture, log: await fixture.store.open("t", 0, topicId, settingsWith(settings)) };
}

function removeSegment({ disk }: Fixture, base: number): void {
  for (const kind of ["log", "index", "timeindex"]) disk.remove(name(base, kind));
}

/** Takes the last batch of a segment's file away. */
function cutLastBatch({ disk }: Fixture, base: number): void {
  disk.corrupt(name(base), (content) => content.subarray(0, scanBatches(content).batches.at(-1)!.position));
}

async function readsFrom(log: Log, offset: number): Promise<number | undefined> {
  const { chunks } = await log.read(offset, { maxBytes: 1, endOffsetLimit: 1000, minOneBatch: true });
  return recordsIn(chunks)[0]?.offset;
}

describe("records that are gone from the middle of a log, after an unclean stop", () => {
  test("with a whole segment: known when the log is opened, never passed over by a read, and the rest is served", async () => {
    const before = await flushedLog();
    const [, second, third, fourth] = before.bases;
    before.disk.crash();
    removeSegment(before, third!);
    const { log } = await reopened(before);
    expect(log.damage?.path).toBe(name(second!));
    expect(log.damage?.reason).toMatch(new RegExp(`ends before offset ${third}, and the next one begins with ${fourth}`));
    expect(log.endOffset).toBe(40);
    expect(await readsFrom(log, third! - 1)).toBe(third! - 1);
    for (let offset = third!; offset < fourth!; offset++)
      await expect(log.read(offset, { maxBytes: 1000, endOffsetLimit: 40, minOneBatch: true })).rejects.toThrow(DamagedBatch);
    expect(await readsFrom(log, fourth!)).toBe(fourth);
  });

  test("with the last batch of a segment, whatever its index says", async () => {
    for (const indexed of ["index as it was", "no index", "index behind the end"] as const) {
      const before = await flushedLog();
      const [, second, third] = before.bases;
      before.disk.crash();
      cutLastBatch(before, second!);
      if (indexed === "no index") before.disk.remove(name(second!, "index"));
      if (indexed === "index behind the end")
        before.disk.corrupt(name(second!, "index"), () => Buffer.from([0, 0, 0, 3, 0, 0, 0xff, 0xff]));
      const { log } = await reopened(before);
      expect([log.damage?.path, log.damage?.offset], indexed).toStrictEqual([name(second!), third! - 1]);
      expect(await readsFrom(log, third! - 2)).toBe(third! - 2);
      await expect(readsFrom(log, third! - 1)).rejects.toThrow(DamagedBatch);
    }
  });

  test("is not said of a log that is whole, though all of its indexes are gone", async () => {
    const before = await flushedLog();
    before.disk.crash();
    for (const base of before.bases) before.disk.remove(name(base, "index"));
    const { log } = await reopened(before);
    expect(log.damage).toBeNull();
    expect((await readAll(log)).length).toBe(40);
  });

  test("is not said of what retention left half removed", async () => {
    const before = await flushedLog();
    const [, second, third] = before.bases;
    await before.log.advanceStartOffset(third! + 1);
    before.disk.crash();
    // the removal of the second reached the disk, that of the first did not
    const left = await basesIn({ ...before, files: before.disk.attach() });
    if (!left.includes(0)) before.disk.create(name(0));
    if (left.includes(second!)) removeSegment(before, second!);
    const { log } = await reopened(before);
    expect(log.damage).toBeNull();
    expect((await readAll(log)).length).toBe(40 - third! - 1);
  });

  test("no compaction makes a copy that reaches over it", async () => {
    const before = await startStore();
    const first = await before.store.open("t", 0, topicId, compacted);
    for (let i = 0; i < 30; i++) lead(first, keyedBatch([{ key: `k${i % 7}`, value: `${i}` }]));
    await first.written(30);
    await first.flush();
    await before.store.writeCheckpoints();
    const [, second] = await basesIn(before);
    before.disk.crash();
    removeSegment(before, second!);
    const after = await startStore(before.disk, {}, before.clock);
    // several segments into one
    const log = await after.store.open("t", 0, topicId, { ...compacted, segmentBytes: 100_000 });
    const bases = await basesIn(after);
    expect(await cleanerOf(log, { clock: after.clock }).cleanOne()).toBeTruthy();
    expect(await basesIn(after)).toStrictEqual(bases);
    expect(!bases.includes(second!)).toBeTruthy();
  });
});

describe("a directory that Kafka wrote, where compaction leaves gaps between segments", () => {
  async function kafkas(): Promise<Fixture & { bases: number[] }> {
    const before = await flushedLog();
    await before.store.close();
    removeSegment(before, before.bases[2]!);
    before.disk.remove(`${root}/${fileNames.cleanStop}`);
    before.disk.remove(`${root}/${fileNames.segmentsJoin}`);
    return before;
  }

  test("is opened and read over them, in later lives too", async () => {
    const before = await kafkas();
    const [, , third, fourth] = before.bases;
    let life: Fixture & { log: Log } = await reopened(before);
    for (const end of ["clean", "unclean", "clean"]) {
      expect(life.log.damage).toBeNull();
      expect(await readsFrom(life.log, third!)).toBe(fourth);
      expect((await readAll(life.log)).length).toBe(40 - (fourth! - third!));
      if (end === "clean") await life.store.close();
      else life.disk.crash();
      life = await reopened(life);
    }
    expect(life.log.damage).toBeNull();
  });

  test("has no further gaps than those that it came with", async () => {
    const before = await kafkas();
    const first = await reopened(before);
    first.disk.crash();
    removeSegment(first, before.bases[4]!);
    const { log } = await reopened(first);
    expect(log.damage?.offset).toBe(before.bases[4]);
    await expect(readsFrom(log, before.bases[4]!)).rejects.toThrow(DamagedBatch);
    expect(await readsFrom(log, before.bases[2]!)).toBe(before.bases[3]);
  });
});
