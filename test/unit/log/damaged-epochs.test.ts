import { describe, expect, test } from "vitest";
import { DamagedBatch } from "../../../broker/log/log-contract.ts";
import { fieldAt } from "../../../protocol/records/batch-header.ts";
import { scanBatches } from "../../../protocol/records/validate-batches.ts";
import { dyingAt } from "../../support/dying-disk.ts";
import { append, readAll, root, settingsWith, startStore, topicId } from "./log-fixture.ts";

const settings = settingsWith({ segmentBytes: 300, indexIntervalBytes: 100 });

/**
 * Batches 0 to 9 of epoch 3 and 10 to 19 of epoch 4, a few to a segment; the machine is killed, and batch `at` has epoch `epoch` by then.
 * `isFlushed`: all but the last were on the disk.
 */
async function reopened(at: number, epoch: number, { isFlushed = false } = {}) {
  const { disk, clock } = await killed(at, epoch, isFlushed);
  const again = await startStore(disk, { tailCacheBytesMax: 0 }, clock);
  return again.store.open("t", 0, topicId, settings);
}

async function killed(at: number, epoch: number, isFlushed = false) {
  const { store, disk, clock, files } = await startStore();
  const log = await store.open("t", 0, topicId, settings);
  for (let offset = 0; offset < 20; offset++) {
    await append(log, [`value ${offset}`], offset < 10 ? 3 : 4);
    if (offset === 18 && isFlushed) {
      await log.flush();
      await store.writeCheckpoints();
    }
  }
  const names = (await files.list(`${root}/t-0`)).filter((name) => name.endsWith(".log")).sort();
  const name = names.findLast((one) => Number.parseInt(one, 10) <= at)!;
  expect(names.length > 3).toBeTruthy();
  disk.loseProcess();
  disk.corrupt(`${root}/t-0/${name}`, (content) => {
    const changed = Buffer.from(content);
    const batch = scanBatches(content).batches.find(({ baseOffset }) => baseOffset === at)!;
    changed.writeInt32BE(epoch, batch.position + fieldAt.partitionLeaderEpoch);
    return changed;
  });
  return { disk, clock };
}

describe("a leader epoch that was changed on the disk, which no CRC covers", () => {
  test.each([
    ["to a later one", 5, 4],
    ["to one far off", 5, 2 ** 30 + 3],
    ["to one that cannot be", 5, 3 - 2 ** 31],
    ["where a segment ends", 3, 4],
    ["in the later epoch", 15, 5],
    ["to an earlier one", 15, 3],
  ])("%s, and never flushed: the log ends before it, and knows no epoch that never was", async (_, at, epoch) => {
    const log = await reopened(at, epoch);
    expect([log.endOffset, log.lastEpoch]).toStrictEqual([at, at < 10 ? 3 : 4]);
    expect((await readAll(log)).length).toBe(at);
    expect(log.endOffsetForEpoch(2 ** 31)).toStrictEqual({ epoch: at < 10 ? 3 : 4, endOffset: at });
    await append(log, ["it goes on"], 6);
  });

  test("and recovery is itself interrupted: what contradicts the batch is there until the batch is gone", async () => {
    for (let operation = 1, isOver = false; !isOver; operation++) {
      const { disk, clock } = await killed(3, 4);
      isOver = !(await dyingAt(
        disk,
        operation,
        () => disk.loseProcess(),
        () => startStore(disk, {}, clock),
      ));
      if (isOver) disk.loseProcess();
      const log = await (await startStore(disk, {}, clock)).store.open("t", 0, topicId, settings);
      expect([log.endOffset, log.lastEpoch], `died at operation ${operation}`).toStrictEqual([3, 3]);
    }
  });

  test.each([
    ["to a later one", 4],
    ["to one that cannot be", 3 - 2 ** 31],
  ])("%s, of records that were on the disk: it is found when they are read", async (_, epoch) => {
    const log = await reopened(5, epoch, { isFlushed: true });
    await expect(log.read(5, { maxBytes: 1000, endOffsetLimit: 20, minOneBatch: true })).rejects.toThrow(DamagedBatch);
    expect(log.damage?.offset).toBe(5);
    expect(log.lastEpoch).toBe(4);
  });
});
