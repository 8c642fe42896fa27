import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert";
import { describe, test } from "vitest";
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
    strictEqual(log.damage?.path, name(second!));
    match(log.damage.reason, new RegExp(`ends before offset ${third}, and the next one begins with ${fourth}`));
    strictEqual(log.endOffset, 40);
    strictEqual(await readsFrom(log, third! - 1), third! - 1);
    for (let offset = third!; offset < fourth!; offset++)
      await rejects(log.read(offset, { maxBytes: 1000, endOffsetLimit: 40, minOneBatch: true }), DamagedBatch);
    strictEqual(await readsFrom(log, fourth!), fourth);
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
      deepStrictEqual([log.damage?.path, log.damage?.offset], [name(second!), third! - 1], indexed);
      strictEqual(await readsFrom(log, third! - 2), third! - 2);
      await rejects(readsFrom(log, third! - 1), DamagedBatch);
    }
  });

  test("is not said of a log that is whole, though all of its indexes are gone", async () => {
    const before = await flushedLog();
    before.disk.crash();
    for (const base of before.bases) before.disk.remove(name(base, "index"));
    const { log } = await reopened(before);
    strictEqual(log.damage, null);
    strictEqual((await readAll(log)).length, 40);
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
    strictEqual(log.damage, null);
    strictEqual((await readAll(log)).length, 40 - third! - 1);
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
    ok(await cleanerOf(log, { clock: after.clock }).cleanOne());
    deepStrictEqual(await basesIn(after), bases);
    ok(!bases.includes(second!));
  });
});

describe("a directory that Kafka wrote, where compaction leaves gaps between segments", () => {
  async function kafkas(): Promise<Fixture & { bases: number[] }> {
    const before = await flushedLog();
    await before.store.close();
    removeSegment(before, before.bases[2]!);
    before.disk.remove(`${folder}/${fileNames.cleanStop}`);
    before.disk.remove(`${root}/${fileNames.segmentsJoin}`);
    return before;
  }

  test("is opened and read over them, in later lives too", async () => {
    const before = await kafkas();
    const [, , third, fourth] = before.bases;
    let life: Fixture & { log: Log } = await reopened(before);
    for (const end of ["clean", "unclean", "clean"]) {
      strictEqual(life.log.damage, null);
      strictEqual(await readsFrom(life.log, third!), fourth);
      strictEqual((await readAll(life.log)).length, 40 - (fourth! - third!));
      if (end === "clean") await life.store.close();
      else life.disk.crash();
      life = await reopened(life);
    }
    strictEqual(life.log.damage, null);
  });

  test("has no further gaps than those that it came with", async () => {
    const before = await kafkas();
    const first = await reopened(before);
    first.disk.crash();
    removeSegment(first, before.bases[4]!);
    const { log } = await reopened(first);
    strictEqual(log.damage?.offset, before.bases[4]);
    await rejects(readsFrom(log, before.bases[4]!), DamagedBatch);
    strictEqual(await readsFrom(log, before.bases[2]!), before.bases[3]);
  });
});
