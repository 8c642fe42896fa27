import { expect } from "vitest";
import { OffsetOutOfLog } from "../../../broker/log/log-contract.ts";
import type { SegmentedLog } from "../../../broker/log/partition-log/segmented-log.ts";
import { type Random, randomInt } from "../../../protocol/base/random.ts";
import { scanBatches } from "../../../protocol/records/validate-batches.ts";
import { type Found, foundIn, readKeyed } from "./compaction/compaction-fixture.ts";
import { type StoredBatch, storedOf } from "./producer-model.ts";
import type { ModelRecord, WholeModel } from "./whole-model.ts";

/** Compares all that a log tells, while nothing happens to it, with what its model says. */
export async function checkWhole(
  log: SegmentedLog,
  model: WholeModel,
  random: Random,
  moment: { nowMs: number; deleteRetentionMs: number },
) {
  await log.written(log.endOffset);
  const { startOffset, endOffset, writtenEndOffset, lastEpoch, damage } = log;
  const { startOffset: start, endOffset: end } = model;
  expect({ startOffset, endOffset, writtenEndOffset, lastEpoch, damage }).toStrictEqual({
    startOffset: start,
    endOffset: end,
    writtenEndOffset: end,
    lastEpoch: model.lastEpoch,
    damage: null,
  });
  const found = await readKeyed(log, start, 1 + randomInt(random, 2000));
  model.lose(found, moment.nowMs, moment.deleteRetentionMs);
  expect(found, "the records from the start on").toStrictEqual(model.visible.map(plain));
  checkCompact(log, found);
  expect(rowsOf(log).sort(), "the producers").toStrictEqual(expectedRows(model).sort());
  checkEpochs(log, model);
  await checkRead(log, model, random);
  await checkTimestamps(log, model, random);
}

/** Below the clean offset each key is there once. */
function checkCompact({ cleanedEndOffset }: SegmentedLog, found: readonly Found[]): void {
  const keys = found.filter(({ offset }) => offset < cleanedEndOffset).map(({ key }) => key);
  expect(new Set(keys).size === keys.length && !keys.includes(null), `each key once below ${cleanedEndOffset}: ${keys}`).toBeTruthy();
}

export function storedRows(log: SegmentedLog): StoredBatch[] {
  return log.producerRows().map(storedOf);
}

function rowsOf(log: SegmentedLog): string[] {
  return storedRows(log).map(rowText);
}

function expectedRows(model: WholeModel): string[] {
  return model.producerIds.flatMap((id) => model.remembered(id).map(rowText));
}

function rowText({ producerId, epoch, sequence, count, baseOffset, timestampMs }: StoredBatch): string {
  return JSON.stringify([producerId, epoch, sequence, count, baseOffset, timestampMs]);
}

function checkEpochs(log: SegmentedLog, model: WholeModel): void {
  for (const { offset, leaderEpoch } of model.visible) expect(log.epochAt(offset), `the epoch at ${offset}`).toBe(leaderEpoch);
  const known = new Set(model.batches.filter(({ lastOffset }) => lastOffset >= model.startOffset).map(({ leaderEpoch }) => leaderEpoch));
  for (const epoch of known) {
    const endOffset = model.epochStarts.find((other) => other.epoch > epoch)?.startOffset ?? model.endOffset;
    expect(log.endOffsetForEpoch(epoch)).toStrictEqual({ epoch, endOffset });
  }
}

async function checkRead(log: SegmentedLog, model: WholeModel, random: Random): Promise<void> {
  const { startOffset, endOffset } = model;
  const visible = model.visible;
  const near = visible[randomInt(random, Math.max(visible.length, 1))]?.offset ?? startOffset;
  const from = Math.min(Math.max(near + randomInt(random, 5) - 2, startOffset), endOffset);
  const limit = random.next() < 0.3 ? endOffset : Math.min(from + randomInt(random, 30), endOffset);
  const maxBytes = randomInt(random, 3000);
  const minOneBatch = random.next() < 0.5;
  const { chunks, sizeInBytes } = await log.read(from, { maxBytes, endOffsetLimit: limit, minOneBatch });
  const bytes = Buffer.concat(chunks);
  expect(bytes.length).toBe(sizeInBytes);
  const { batches } = scanBatches(bytes);
  const got = foundIn(bytes).filter(({ offset }) => offset >= from);
  const expected = visible.filter(({ offset }) => offset >= from);
  expect(got, `read from ${from} to ${limit}`).toStrictEqual(expected.slice(0, got.length).map(plain));
  expect(
    batches.every(({ lastOffset }) => lastOffset >= from && lastOffset < limit),
    `read from ${from} to ${limit}: ${JSON.stringify(batches)}`,
  ).toBeTruthy();
  expect(sizeInBytes <= maxBytes || (minOneBatch && batches.length === 1), `${sizeInBytes} bytes, at most ${maxBytes}`).toBeTruthy();
  if (minOneBatch && expected[0] !== undefined && expected[0].batchLast < limit)
    expect(batches.length > 0, "at least one batch").toBeTruthy();
  const options = { maxBytes, endOffsetLimit: endOffset, minOneBatch };
  if (startOffset > 0) await expect(log.read(startOffset - 1, options)).rejects.toThrow(OffsetOutOfLog);
  await expect(log.read(endOffset + 1, options)).rejects.toThrow(OffsetOutOfLog);
}

async function checkTimestamps(log: SegmentedLog, { visible }: WholeModel, random: Random): Promise<void> {
  const near = visible[randomInt(random, Math.max(visible.length, 1))]?.timestampMs ?? 0;
  const wanted = near + randomInt(random, 5) - 2;
  const place = ({ offset, timestampMs, leaderEpoch }: ModelRecord) => ({ offset, timestampMs, leaderEpoch });
  const first = visible.find(({ timestampMs }) => timestampMs >= wanted);
  expect(await log.findByTimestamp(wanted), `first at or after ${wanted}`).toStrictEqual(first === undefined ? null : place(first));
  const max = visible.reduce<ModelRecord | null>(
    (best, next) => (best === null || next.timestampMs > best.timestampMs ? next : best),
    null,
  );
  expect(await log.findMaxTimestamp(), "the largest timestamp").toStrictEqual(max === null ? null : place(max));
}

export function plain({ offset, key, value, timestampMs }: Found): Found {
  return { offset, key, value, timestampMs };
}
