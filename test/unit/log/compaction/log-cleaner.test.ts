import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { LogCleaner } from "../../../../broker/log/compaction/log-cleaner.ts";
import type { SegmentedLog } from "../../../../broker/log/partition-log/segmented-log.ts";
import type { CleanerConfig } from "../../../../broker/log/store-contract.ts";
import { invariant } from "../../../../protocol/base/invariant.ts";
import { silentLogger } from "../../../../protocol/base/logger.ts";
import { seededRandom } from "../../../../protocol/base/random.ts";
import { SimClock } from "../../../sim/sim-clock.ts";
import { lead, startLog } from "../log-fixture.ts";
import { cleanerOf, compacted, keyedBatch } from "./compaction-fixture.ts";

const eagerly: CleanerConfig = { backoffMs: 100, mapBytesMax: 1e6, mapLoadFactor: 0.9, bytesPerSecondMax: Number.MAX_VALUE };
const hourMs = 3_600_000;

async function cleaning(config: CleanerConfig) {
  const { log, store } = await startLog(compacted);
  const clock = new SimClock();
  const cleaner = cleanerOf(log, { clock: clock.forOwner("cleaner"), config });
  const fill = async () => {
    for (let i = 0; i < 40; i++) {
      lead(log, keyedBatch([{ key: `k${i % 3}`, value: `${i}-${"x".repeat(40)}` }]));
      await log.written(log.endOffset);
    }
    await log.flush();
  };
  /** Lets `limitMs` pass, or less if `condition` holds before. */
  const until = async (condition: () => boolean, limitMs: number) => {
    for (const endMs = clock.nowMs + limitMs; !condition() && clock.nowMs < endMs; await clock.step()) {
      clock.schedule("test", 10, () => undefined);
      // loading the codecs takes real time
      await sleep(1);
    }
    return condition();
  };
  return { cleaner, store, fill, until, bytes: () => (log as SegmentedLog).sizeInBytes };
}

test("a shorter backoff is in force at once, in the middle of a long one", async () => {
  const { cleaner, store, fill, until, bytes } = await cleaning({ ...eagerly, backoffMs: hourMs });
  cleaner.start();
  await until(() => false, 1000);
  await fill();
  const before = bytes();
  expect(!(await until(() => bytes() < before, 2_000)), "not due yet").toBeTruthy();
  cleaner.reconfigure({ ...eagerly, backoffMs: hourMs / 2 });
  expect(!(await until(() => bytes() < before, 2_000)), "nor now").toBeTruthy();
  cleaner.reconfigure(eagerly);
  expect(await until(() => bytes() < before, 1000)).toBeTruthy();
  await cleaner.stop();
  await store.close();
});

test("more bytes per second are in force within a second, in the middle of a round; more memory from the next round on", async () => {
  const { cleaner, store, fill, until, bytes } = await cleaning({ ...eagerly, bytesPerSecondMax: 1, mapBytesMax: 24 });
  await fill();
  const before = bytes();
  cleaner.start();
  expect(!(await until(() => bytes() < before, 2_000)), "it waits for the disk to be free").toBeTruthy();
  cleaner.reconfigure(eagerly);
  expect(await until(() => bytes() < before / 2, 2000)).toBeTruthy();
  await cleaner.stop();
  await store.close();
});

test("no backoff at all still leaves the rest of the broker its turns", async () => {
  const clock = new SimClock();
  let looks = 0;
  const logs = () => {
    // without a pause nothing else would ever run, not even this test
    invariant(++looks < 1000, "a cleaner with nothing to do rests between its looks");
    return [];
  };
  const config = { ...eagerly, backoffMs: 0 };
  const cleaner = new LogCleaner({
    clock: clock.forOwner("cleaner"),
    random: seededRandom(1),
    logger: silentLogger,
    config,
    logs,
    highWatermark: () => null,
  });
  cleaner.start();
  for (let i = 0; i < 10; i++) await clock.step();
  await cleaner.stop();
  expect(looks > 2 && looks < 20, `${looks} looks in ten steps`).toBeTruthy();
});
