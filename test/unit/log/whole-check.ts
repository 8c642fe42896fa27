import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert";
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
  deepStrictEqual(
    { startOffset, endOffset, writtenEndOffset, lastEpoch, damage },
    { startOffset: start, endOffset: end, writtenEndOffset: end, lastEpoch: model.lastEpoch, damage: null },
  );
  const found = await readKeyed(log, start, 1 + randomInt(random, 2000));
  model.lose(found, moment.nowMs, moment.deleteRetentionMs);
  deepStrictEqual(found, model.visible.map(plain), "the records from the start on");
  checkCompact(log, found);
  deepStrictEqual(rowsOf(log).sort(), expectedRows(model).sort(), "the producers");
  checkEpochs(log, model);
  await checkRead(log, model, random);
  await checkTimestamps(log, model, random);
}

/** Below the clean offset each key is there once. */
function checkCompact({ cleanedEndOffset }: SegmentedLog, found: readonly Found[]): void {
  const keys = found.filter(({ offset }) => offset < cleanedEndOffset).map(({ key }) => key);
  ok(new Set(keys).size === keys.length && !keys.includes(null), `each key once below ${cleanedEndOffset}: ${keys}`);
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
  for (const { offset, leaderEpoch } of model.visible) strictEqual(log.epochAt(offset), leaderEpoch, `the epoch at ${offset}`);
  const known = new Set(model.batches.filter(({ lastOffset }) => lastOffset >= model.startOffset).map(({ leaderEpoch }) => leaderEpoch));
  for (const epoch of known) {
    const endOffset = model.epochStarts.find((other) => other.epoch > epoch)?.startOffset ?? model.endOffset;
    deepStrictEqual(log.endOffsetForEpoch(epoch), { epoch, endOffset });
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
  strictEqual(bytes.length, sizeInBytes);
  const { batches } = scanBatches(bytes);
  const got = foundIn(bytes).filter(({ offset }) => offset >= from);
  const expected = visible.filter(({ offset }) => offset >= from);
  deepStrictEqual(got, expected.slice(0, got.length).map(plain), `read from ${from} to ${limit}`);
  ok(
    batches.every(({ lastOffset }) => lastOffset >= from && lastOffset < limit),
    `read from ${from} to ${limit}: ${JSON.stringify(batches)}`,
  );
  ok(sizeInBytes <= maxBytes || (minOneBatch && batches.length === 1), `${sizeInBytes} bytes, at most ${maxBytes}`);
  if (minOneBatch && expected[0] !== undefined && expected[0].batchLast < limit) ok(batches.length > 0, "at least one batch");
  const options = { maxBytes, endOffsetLimit: endOffset, minOneBatch };
  if (startOffset > 0) await rejects(log.read(startOffset - 1, options), OffsetOutOfLog);
  await rejects(log.read(endOffset + 1, options), OffsetOutOfLog);
}

async function checkTimestamps(log: SegmentedLog, { visible }: WholeModel, random: Random): Promise<void> {
  const near = visible[randomInt(random, Math.max(visible.length, 1))]?.timestampMs ?? 0;
  const wanted = near + randomInt(random, 5) - 2;
  const place = ({ offset, timestampMs, leaderEpoch }: ModelRecord) => ({ offset, timestampMs, leaderEpoch });
  const first = visible.find(({ timestampMs }) => timestampMs >= wanted);
  deepStrictEqual(await log.findByTimestamp(wanted), first === undefined ? null : place(first), `first at or after ${wanted}`);
  const max = visible.reduce<ModelRecord | null>(
    (best, next) => (best === null || next.timestampMs > best.timestampMs ? next : best),
    null,
  );
  deepStrictEqual(await log.findMaxTimestamp(), max === null ? null : place(max), "the largest timestamp");
}

export function plain({ offset, key, value, timestampMs }: Found): Found {
  return { offset, key, value, timestampMs };
}
