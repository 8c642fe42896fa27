import fc from "fast-check";
import { expect, test } from "vitest";
import type { Log } from "../../../broker/log/log-contract.ts";
import type { TopicSettings } from "../../../broker/runtime/topic-settings.ts";
import { randomInt, seededRandom } from "../../../protocol/base/random.ts";
import { dyingAt, endLife } from "../../support/dying-disk.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { StillClock, settingsWith, startStore, topicId } from "./log-fixture.ts";
import { ProducerModel } from "./producer-model.ts";

const small: Partial<TopicSettings> = { segmentBytes: 700, indexIntervalBytes: 150 };
const options = { tailCacheBytesMax: 1000, openFilesMax: 3, indexCacheBytesMax: 300 };

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constantFrom("send" as const, "follow" as const), count: fc.integer({ min: 1, max: 12 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("truncate" as const), back: fc.integer({ min: -1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("restart" as const, "delete" as const, "close" as const, "kill" as const) }) },
);

test("a log knows of its producers what its batches say, over random appends, retries, rolls, truncations, deletions and restarts", async () => {
  const run = fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.nat(), async (steps, seed) => {
    const random = seededRandom(seed);
    const clock = new StillClock();
    const disk = new MemoryDisk({ clock, random: seededRandom(seed + 1) });
    let { store } = await startStore(disk, options, clock);
    const open = () => store.open("t", 0, topicId, settingsWith(small));
    let log: Log = await open();
    const model = new ProducerModel();
    for (const next of steps) {
      if (next.kind === "send") for (let i = 0; i < next.count; i++) model.send(log, random);
      else if (next.kind === "follow") for (let i = 0; i < next.count; i++) model.follow(log, random);
      else if (next.kind === "truncate") {
        const offset = Math.max(model.endOffset - next.back, log.startOffset);
        model.truncateTo(offset);
        await log.truncateTo(offset);
      } else if (next.kind === "delete") {
        await log.written(log.endOffset);
        await log.advanceStartOffset(log.startOffset + randomInt(random, log.endOffset - log.startOffset + 1));
      } else if (next.kind === "restart") {
        model.batches = [];
        await log.truncateFullyAndStartAt(0);
      } else {
        if (next.kind === "close") await store.close();
        else {
          await log.written(log.endOffset);
          disk.loseProcess();
        }
        ({ store } = await startStore(disk, options, clock));
        log = await open();
      }
      model.check(log);
    }
  });
  await fc.assert(run, { numRuns: 200 });
});

/** Lives that end at the disk's `left`-th operation; what is found then must know what the batches say that are there. */
async function liveAndDie(seed: number): Promise<{ rolled: number; lost: number }> {
  const random = seededRandom(seed);
  const clock = new StillClock();
  const disk = new MemoryDisk({ clock, random: seededRandom(seed * 7 + 3) });
  const model = new ProducerModel();
  const seen = { rolled: 0, lost: 0 };
  const work = async () => {
    const { store } = await startStore(disk, options, clock);
    const log = await store.open("t", 0, topicId, settingsWith(small));
    model.check(log, `seed ${seed}: opened again`);
    for (;;) {
      const choice = random.next();
      if (choice < 0.75) {
        for (let i = randomInt(random, 5); i >= 0; i--) model.send(log, random);
        if (random.next() < 0.5) await log.written(log.endOffset);
        else await Promise.resolve();
      } else if (choice < 0.85) await log.flush();
      else {
        const offset = Math.max(0, model.endOffset - randomInt(random, 30));
        await log.written(log.endOffset);
        await log.truncateTo(offset);
        model.truncateTo(offset);
        model.check(log, `seed ${seed}: cut at ${offset}`);
      }
    }
  };
  for (let life = 0; life < 5; life++) {
    const operation = 1 + randomInt(random, life === 0 ? 150 : 250);
    const power = random.next() < 0.7;
    await dyingAt(disk, operation, () => endLife(disk, power), work);
    const { store, files } = await startStore(disk, options, clock);
    const log = await store.open("t", 0, topicId, settingsWith(small));
    const context = `seed ${seed}, life ${life}, ${power ? "power lost" : "process killed"}`;
    expect(log.endOffset <= model.endOffset, context).toBeTruthy();
    if (log.endOffset < model.endOffset) seen.lost++;
    model.truncateTo(log.endOffset);
    model.check(log, context);
    const snapshots = (await files.list("/data/logs/t-0")).filter((name) => name.endsWith(".snapshot"));
    for (const name of snapshots) expect(Number.parseInt(name, 10) <= log.endOffset, `${context}: ${name} is above the end`).toBeTruthy();
    seen.rolled += snapshots.length;
    if (random.next() < 0.5) disk.loseProcess();
    else await store.close();
  }
  return seen;
}

test("after a crash at any moment, too (500 seeds)", async () => {
  const seen = { rolled: 0, lost: 0 };
  for (let seed = 0; seed < 500; seed++) {
    const { rolled, lost } = await liveAndDie(seed);
    seen.rolled += rolled;
    seen.lost += lost;
  }
  expect(seen.rolled).toBeGreaterThan(500);
  expect(seen.lost).toBeGreaterThan(200);
});
