import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Log } from "../../../broker/log/log-contract.ts";
import type { TopicSettings } from "../../../broker/runtime/config/topic-settings.ts";
import { randomInt, seededRandom } from "../../../protocol/base/random.ts";
import { dyingAt, endLife } from "../../support/dying-disk.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { readAll, StillClock, settingsWith, startStore, topicId } from "./log-fixture.ts";
import { LogModel, withoutBatch } from "./log-model.ts";

const small: Partial<TopicSettings> = { segmentBytes: 1500, indexIntervalBytes: 150 };

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom("lead", "follow"), count: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("truncate"), back: fc.integer({ min: -1, max: 60 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart"), by: fc.integer({ min: 0, max: 50 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("flush", "close", "kill", "begin epoch") }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("advance"), back: fc.integer({ min: 0, max: 60 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("retain"),
      back: fc.constantFrom(0, 0, 1, 30),
      retentionBytes: fc.constantFrom(-1, 0, 1500, 4000),
      ageMs: fc.constantFrom(0, 2500, 4900, 6000),
    }),
  },
);

describe("a log does what a plain array does", () => {
  test("over random appends, rolls, reads, truncations, deletions, retention and restarts", async () => {
    const run = fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      fc.nat(),
      fc.constantFrom(0, 1000, 5000, 1_000_000),
      async (steps, seed, tailBytes) => {
        const random = seededRandom(seed);
        const clock = new StillClock();
        const disk = new MemoryDisk({ clock, random: seededRandom(seed + 1) });
        const options = { tailCacheBytesMax: tailBytes, openFilesMax: 3, indexCacheBytesMax: 300 };
        let { store } = await startStore(disk, options, clock);
        const open = () => store.open("t", 0, topicId, settingsWith(small));
        let log: Log = await open();
        let model = new LogModel();
        for (const next of steps) {
          if (next.kind === "lead" || next.kind === "follow") {
            for (let i = 0; i < (next as { count: number }).count; i++)
              model.append(log, random, next.kind === "lead" ? "leader" : "follower");
          } else if (next.kind === "truncate") {
            // no caller cuts below the start: a log starts over instead
            const offset = Math.max(model.endOffset - (next as { back: number }).back, model.startOffset);
            model = model.truncated(offset);
            await log.truncateTo(offset);
          } else if (next.kind === "advance") {
            const offset = Math.max(model.endOffset - (next as { back: number }).back, 0);
            model = model.advanced(offset);
            await log.written(log.endOffset);
            await log.advanceStartOffset(offset);
          } else if (next.kind === "retain") {
            await log.written(log.endOffset);
            model = model.advanced(await retained(log, model, next as Retained));
          } else if (next.kind === "restart") {
            const offset = model.endOffset + (next as { by: number }).by;
            model = model.restarted(offset);
            await log.truncateFullyAndStartAt(offset);
          } else if (next.kind === "flush") await log.flush();
          else if (next.kind === "begin epoch") log.beginEpoch(++model.epoch);
          else {
            if (next.kind === "close") await store.close();
            else {
              await log.written(log.endOffset);
              disk.loseProcess();
            }
            ({ store } = await startStore(disk, options, clock));
            expect(store.found).toStrictEqual([{ topic: "t", partition: 0, topicId }]);
            log = await open();
          }
          await model.checkAgainst(log, random);
        }
      },
    );
    await fc.assert(run, { numRuns: 150 });
  });
});

interface Retained {
  readonly back: number;
  readonly retentionBytes: number;
  readonly ageMs: number;
}

/** One check of a log's age and size. Answers where it begins then, which segment sizes decide; what they decide is tested by itself. */
async function retained(log: Log, model: LogModel, { back, retentionBytes, ageMs }: Retained): Promise<number> {
  const highWatermark = Math.max(model.endOffset - back, model.startOffset);
  const retentionMs = ageMs === 0 ? -1 : 1000;
  log.updateSettings(settingsWith({ ...small, retentionBytes, retentionMs, fileDeleteDelayMs: 0 }));
  await log.retain({ highWatermark, nowMs: 1_700_000_000_000 + 1000 + ageMs });
  const { startOffset } = log;
  expect(
    startOffset >= model.startOffset && startOffset <= Math.max(highWatermark, model.startOffset),
    "only what is committed goes",
  ).toBeTruthy();
  const kept = model.visible.filter(({ offset }) => offset < startOffset);
  expect(
    retentionBytes >= 0 || kept.every(({ timestampMs }) => timestampMs < 1_700_000_000_000 + ageMs),
    "only what is old enough goes",
  ).toBeTruthy();
  if (retentionBytes < 0 && retentionMs < 0) expect(startOffset).toBe(model.startOffset);
  if (retentionBytes === 0) expect(await everythingBelow(log, highWatermark), "with no bytes to keep, all that may go does").toBe(true);
  return startOffset;
}

/** No whole segment is below: the batches up to there are fewer than a segment holds. */
async function everythingBelow(log: Log, highWatermark: number): Promise<boolean> {
  if (log.startOffset >= highWatermark) return true;
  const { sizeInBytes } = await log.read(log.startOffset, { maxBytes: 1e6, endOffsetLimit: highWatermark, minOneBatch: true });
  return sizeInBytes <= 1500;
}

/** One life of a store: random work until the disk's `operations`-th operation, in which the machine dies. */
async function liveAndDie(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const clock = new StillClock();
  const disk = new MemoryDisk({ clock, random: seededRandom(seed * 7 + 3) });
  let model = new LogModel();
  /** Before a truncation that may not have happened. */
  let before: LogModel | null = null;
  /** Where the start may have come to, by a deletion under way. */
  let startMax = 0;
  /** Records below were flushed. */
  let safeEnd = 0;
  const options = { tailCacheBytesMax: 3000, openFilesMax: 3 };

  const work = async () => {
    const { store } = await startStore(disk, options, clock);
    const log = await store.open("t", 0, topicId, settingsWith(small));
    for (;;) {
      const choice = random.next();
      if (choice < 0.6) {
        for (let i = randomInt(random, 5); i >= 0; i--) model.append(log, random, "leader");
        if (random.next() < 0.5) await log.written(log.endOffset);
        else await Promise.resolve();
      } else if (choice < 0.8) {
        const end = log.writtenEndOffset;
        await log.flush();
        safeEnd = Math.max(safeEnd, end);
      } else if (choice < 0.9) {
        const offset = Math.max(model.startOffset, model.endOffset - randomInt(random, 40));
        before = model;
        model = model.truncated(offset);
        const safeAfter = Math.min(safeEnd, model.endOffset);
        safeEnd = safeAfter;
        await log.truncateTo(offset);
        before = null;
      } else if (choice < 0.93) {
        before = model;
        model = model.restarted(model.endOffset + randomInt(random, 20));
        safeEnd = 0;
        await log.truncateFullyAndStartAt(model.endOffset);
        before = null;
      } else if (choice < 0.96) {
        await log.written(log.endOffset);
        const offset = model.startOffset + randomInt(random, model.endOffset - model.startOffset + 1);
        startMax = offset;
        await log.advanceStartOffset(offset);
        model = model.advanced(offset);
      } else if (choice < 0.98) {
        await log.written(log.endOffset);
        startMax = model.endOffset;
        const retentionBytes = [0, 2000, 6000][randomInt(random, 3)]!;
        model = model.advanced(await retained(log, model, { back: randomInt(random, 20), retentionBytes, ageMs: 0 }));
        startMax = model.startOffset;
      } else {
        await log.written(log.endOffset);
        await readAll(log, log.startOffset, 500);
      }
    }
  };

  for (let life = 0; life < 4; life++) {
    const operation = 1 + randomInt(random, life === 0 ? 150 : 250);
    const power = random.next() < 0.7;
    await dyingAt(disk, operation, () => endLife(disk, power), work);

    const { store, files } = await startStore(disk, options, clock);
    const log = await store.open("t", 0, topicId, settingsWith(small));
    const found = await readAll(log, log.startOffset, 700);
    const context = `seed ${seed}, life ${life}, ${power ? "power lost" : "process killed"}`;
    const mayStart = (at: number) => at >= model.startOffset && at <= Math.max(startMax, model.startOffset);
    const deleted = before === null && mayStart(log.startOffset) ? model.advanced(log.startOffset) : model;
    // a cut inside the batch that the log begins in takes its start back first
    const matching = [deleted, before, startingLower(before, model.startOffset)].find(
      (candidate): candidate is LogModel => candidate !== null && isPrefix(found, candidate) && log.startOffset === startOf(candidate, log),
    );
    expect(matching, `${context}: [${log.startOffset}, ${log.endOffset}) is no beginning of what was appended`).toBeDefined();
    const flushed = matching!.visible.filter((record) => record.offset < safeEnd).length;
    expect(found.length >= flushed, `${context}: flushed up to ${safeEnd}, found up to ${log.endOffset}`).toBeTruthy();
    expect(log.endOffset, context).toBe(found.length === 0 ? log.startOffset : found.at(-1)!.offset + 1);
    const next = matching!.copy();
    next.adopt(found.length === 0 ? [] : matching!.records.filter(({ offset }) => offset < log.endOffset), log.startOffset, log.endOffset);
    next.epoch = Math.max(model.epoch, matching!.epoch);
    model = next;
    before = null;
    startMax = 0;
    await model.checkAgainst(log, random);
    safeEnd = log.endOffset;
    for (const name of await files.list("/data/logs/t-0")) expect(!name.endsWith(".tmp"), `${context}: ${name} is left`).toBeTruthy();
    if (random.next() < 0.5) disk.loseProcess();
    else await store.close();
  }
}

function startingLower(model: LogModel | null, offset: number): LogModel | null {
  return model?.startingAt(Math.min(model.startOffset, offset)) ?? null;
}

/** An empty log may have been lost before its first name was durable: then it starts at 0. */
function startOf(model: LogModel, log: Log): number {
  return model.records.length === 0 && log.endOffset === 0 ? 0 : model.startOffset;
}

function isPrefix(found: readonly object[], model: LogModel): boolean {
  return (
    found.length <= model.visible.length && JSON.stringify(found) === JSON.stringify(model.visible.slice(0, found.length).map(withoutBatch))
  );
}

describe("after a crash", () => {
  test.each([0, 1, 2, 3, 4, 5, 6, 7])(
    "what was flushed is there, and the log is a beginning of what was appended (100 seeds from %i00)",
    async (hundred) => {
      for (let seed = hundred * 100; seed < hundred * 100 + 100; seed++) await liveAndDie(seed);
    },
  );
});
