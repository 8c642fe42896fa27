import { expect, test } from "vitest";
import { emptied } from "../../../broker/log/compaction/filter-batch.ts";
import { readRecords } from "../../../broker/partition/leader-reads.ts";
import { baseOffsetAt, readBatchInfo } from "../../../protocol/records/batch-header.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { MemoryLog, testSettings } from "../../support/memory-log.ts";

test("a consumer is given batches without records only where nothing comes behind them", async () => {
  const log = new MemoryLog(testSettings);
  for (const [baseOffset, hasRecords] of [
    [0, false],
    [1, false],
    [2, true],
    [3, false],
  ] as const) {
    const whole = encodeBatch([{ key: Buffer.from("k"), value: Buffer.from("v"), timestampMs: 1 }], { baseOffset, leaderEpoch: 0 });
    log.appendAsFollower(hasRecords ? whole : emptied(whole, readBatchInfo(whole, 0)!));
  }
  await log.written(4);
  const firstAt = async (from: number, endOffsetLimit = 4) => {
    const read = await readRecords(log, from, { maxBytes: 61, endOffsetLimit, minOneBatch: true });
    return read.error === null && read.chunks[0] !== undefined ? baseOffsetAt(read.chunks[0], 0) : null;
  };
  expect(await firstAt(0)).toBe(2);
  expect(await firstAt(1)).toBe(2);
  expect(await firstAt(0, 2), "the record is not committed").toBe(1);
  expect(await firstAt(3)).toBe(3);
});
