import { describe, expect, test } from "vitest";
import type { FileSystem } from "../../../../broker/runtime/files.ts";
import { seededRandom } from "../../../../protocol/base/random.ts";
import { scanBatches } from "../../../../protocol/records/validate-batches.ts";
import { dyingAt } from "../../../support/dying-disk.ts";
import { MemoryDisk } from "../../../support/memory-files.ts";
import { parsedBatch } from "../../../support/parsed-batch.ts";
import { StillClock, startStore, topicId } from "../log-fixture.ts";
import { cleanerOf, compacted, type Found, folder, keyedBatch, readKeyed } from "./compaction-fixture.ts";

const options = { tailCacheBytesMax: 0 };
// three rounds of renaming: groups of about three segments
const settings = { ...compacted, segmentBytes: 1500 };

async function start(seed: number) {
  const clock = new StillClock();
  const disk = new MemoryDisk({ clock, random: seededRandom(seed) });
  const { store } = await startStore(disk, options, clock);
  const log = await store.open("t", 0, topicId, { ...compacted, segmentBytes: 500 });
  for (let i = 0; i < 24; i++) {
    const key = (at: number) => `k${(2 * i + at) % 7}`;
    const entries = [0, 1].map((at) => ({ key: key(at), value: i === 5 ? null : `${i}-${"x".repeat(40)}` }));
    log.appendAsLeader(parsedBatch(keyedBatch(entries, { codec: i % 3 === 0 ? "snappy" : "none" })), Math.floor(i / 10), 0);
    await log.written(log.endOffset);
  }
  await log.flush();
  await store.writeCheckpoints();
  log.updateSettings(settings);
  return { clock, disk, log };
}

async function reopen(disk: MemoryDisk, clock: StillClock) {
  const { store, files } = await startStore(disk, options, clock);
  return { store, files, log: await store.open("t", 0, topicId, settings) };
}

interface Seen {
  readonly records: readonly Found[];
  readonly epochs: readonly unknown[];
}

async function look(log: Awaited<ReturnType<typeof start>>["log"]): Promise<Seen> {
  return { records: await readKeyed(log), epochs: [0, 1, 2].map((epoch) => log.endOffsetForEpoch(epoch)) };
}

/**
 * Between the old log and the compacted one only whole groups may differ: each offset is there in both, or gone as in the compacted one.
 */
function isBetween(seen: readonly Found[], before: readonly Found[], after: readonly Found[]): boolean {
  const offsets = new Set(seen.map(({ offset }) => offset));
  const known = new Map(before.map((record) => [record.offset, record]));
  const rightContent = seen.every((record) => JSON.stringify(known.get(record.offset)) === JSON.stringify(record));
  return rightContent && after.every(({ offset }) => offsets.has(offset));
}

describe("a crash while a log is compacted", () => {
  for (const kind of ["power", "process"] as const) {
    test(`leaves each group as it was or compacted, wherever it happens (${kind})`, async () => {
      const whole = await start(1);
      const before = await look(whole.log);
      const opsBefore = whole.disk.operations;
      expect(await cleanerOf(whole.log, { clock: whole.clock }).cleanOne()).toBeTruthy();
      const operations = whole.disk.operations - opsBefore;
      const after = await look(whole.log);
      expect(after.records.length < before.records.length).toBeTruthy();
      expect(after.epochs).toStrictEqual(before.epochs);
      expect(operations > 60, `${operations} operations`).toBeTruthy();
      const lengths = new Set<number>();
      for (let at = 1; at <= operations; at++) {
        for (const seed of kind === "power" ? [1, 2, 3] : [1]) {
          const { disk, clock, log } = await start(seed);
          const crash = () => (kind === "power" ? disk.crash() : disk.loseProcess());
          await dieAt(disk, at, crash, () => cleanerOf(log, { clock }).cleanOne());
          // the start that completes what was interrupted may die, too
          if (seed === 2) await dieAt(disk, (at * 7) % 40, crash, () => reopen(disk, clock));
          const again = await reopen(disk, clock);
          const seen = await look(again.log);
          expect(
            isBetween(seen.records, before.records, after.records),
            `operation ${at}, seed ${seed}: ${JSON.stringify(seen.records)}`,
          ).toBeTruthy();
          expect(seen.epochs, `operation ${at}, seed ${seed}`).toStrictEqual(before.epochs);
          expect(again.log.endOffset).toBe(log.endOffset);
          expect(again.log.damage).toBeNull();
          expect((await again.files.list(folder)).every((name) => !/\.(swap|cleaned|deleted)$/.test(name))).toBeTruthy();
          await segmentsJoin(again.files);
          lengths.add(seen.records.length);
          while (await cleanerOf(again.log, { clock }).cleanOne());
          expect(isBetween(await readKeyed(again.log), before.records, after.records)).toBeTruthy();
          expect((await readKeyed(again.log)).length, `operation ${at}, seed ${seed}: compacted again`).toBe(after.records.length);
        }
      }
      expect(lengths.size > 2, `before, after and something between: ${[...lengths]}`).toBeTruthy();
    }, 120_000);
  }
});

/** Each segment begins where the batches of the one before end. */
async function segmentsJoin(files: FileSystem): Promise<void> {
  let endOffset = 0;
  for (const name of (await files.list(folder)).filter((name) => name.endsWith(".log"))) {
    expect(Number.parseInt(name, 10), name).toBe(endOffset);
    endOffset = scanBatches(await files.readFile(`${folder}/${name}`)).batches.at(-1)!.lastOffset + 1;
  }
}

/** The machine dies at the disk's `at`-th operation, or behind the work, when that has fewer. */
async function dieAt(disk: MemoryDisk, at: number, crash: () => void, work: () => Promise<unknown>): Promise<void> {
  if (!(await dyingAt(disk, at, crash, work))) crash();
}
