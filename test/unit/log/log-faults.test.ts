import { expect, test } from "vitest";
import { LogOffline } from "../../../broker/log/log-contract.ts";
import { randomInt, seededRandom } from "../../../protocol/base/random.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { readAll, StillClock, settingsWith, startStore, topicId } from "./log-fixture.ts";
import { LogModel, withoutBatch } from "./log-model.ts";

/**
 * Works on a log until the `failAt`-th operation of the disk, which fails; then restarts the process. Returns how many records were
 * acknowledged.
 */
async function failOnce(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const clock = new StillClock();
  const disk = new MemoryDisk({ clock, random: seededRandom(seed + 1000) });
  const { store } = await startStore(disk, { tailCacheBytesMax: 500, openFilesMax: 2 }, clock);
  const settings = settingsWith({ segmentBytes: 900, indexIntervalBytes: 100 });
  const log = await store.open("t", 0, topicId, settings);
  let model = new LogModel();
  let acknowledgedEnd = 0;
  let left = 1 + randomInt(random, 120);
  let failed = "";
  disk.fault = ({ kind, path }) => {
    if (--left !== 0) return null;
    failed = `${kind} ${path}`;
    return random.next() < 0.5 ? "EIO" : "ENOSPC";
  };
  let versions = [model];
  const work = async () => {
    while (failed === "") {
      for (let i = randomInt(random, 6); i >= 0; i--) model.append(log, random, "leader");
      await log.written(log.endOffset);
      acknowledgedEnd = log.endOffset;
      if (random.next() < 0.3) await log.flush();
      if (random.next() < 0.3) await readAll(log, log.startOffset, 300);
      if (random.next() < 0.3) {
        const cut = model.truncated(Math.max(0, model.endOffset - randomInt(random, 20)));
        versions = [model, cut];
        acknowledgedEnd = Math.min(acknowledgedEnd, cut.endOffset);
        await log.truncateTo(cut.endOffset);
        model = cut;
        versions = [cut];
      }
    }
  };
  await work().catch((error: unknown) => expect(error instanceof LogOffline, `seed ${seed}, ${failed}: ${error}`).toBeTruthy());
  await store.close().catch((error: unknown) => expect(error instanceof LogOffline, `seed ${seed}, ${failed}: ${error}`).toBeTruthy());
  disk.fault = null;
  disk.loseProcess();

  const second = await startStore(disk, {}, clock);
  const again = await second.store.open("t", 0, topicId, settings);
  const found = await readAll(again);
  const context = `seed ${seed}, failed ${failed}`;
  expect(
    again.endOffset >= acknowledgedEnd,
    `${context}: acknowledged up to ${acknowledgedEnd}, found up to ${again.endOffset}`,
  ).toBeTruthy();
  expect(found.length, context).toBe(again.endOffset);
  const fits = versions.some(
    (version) => JSON.stringify(version.records.slice(0, found.length).map(withoutBatch)) === JSON.stringify(found),
  );
  if (!fits) expect(found, context).toStrictEqual(model.records.map(withoutBatch));
}

test("after any one failed operation nothing acknowledged is lost, and only LogOffline is seen (400 seeds)", async () => {
  for (let seed = 0; seed < 400; seed++) await failOnce(seed);
});
