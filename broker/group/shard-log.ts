import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { TopicPartition } from "../../protocol/base/ids.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { type BatchInfo, batchHeaderBytes } from "../../protocol/records/batch-header.ts";
import { decompressRecords } from "../../protocol/records/compression.ts";
import { decodeBatch, openBatch } from "../../protocol/records/decode-batch.ts";
import { BatchBuilder, recordBytesAtMost } from "../../protocol/records/encode-batch.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";
import type { StatePartitions } from "../partition/state-partitions.ts";
import type { GroupRecord } from "./contract.ts";

export interface LogReading {
  readonly ref: TopicPartition;
  readonly partitions: Pick<StatePartitions, "read" | "changed" | "standing">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborts when this broker leads the partition no more. */
  readonly signal: AbortSignal;
  /** `offsets.load.buffer.size`: bytes read at a time. */
  readonly readBytesMax: number;
  readonly replay: (key: Buffer, value: Buffer | null) => void;
}

export interface LoadedLog {
  readonly records: number;
  readonly endOffset: number;
}

const retryPauseMs = 200;
const unreadablePauseMs = 10_000;
const changeWaitMs = 5_000;
/**
 * Replaying goes on for this long, then others have their turn. Race: (1) the end of a long log is in memory, so that reading it never
 * waits for the disk; (2) a million records take seconds; (3) if nothing else ran meanwhile, heartbeats to the other brokers and to the
 * coordinator would be missed, the session lost and with it this leadership: the load would begin anew somewhere else, and end like this
 * one.
 */
const turnMaxMs = 20;

/**
 * Replays a partition from its first record to where its log ended when the reading began, and resolves when all of that is committed: a
 * new leader's log may end with records that its followers do not have yet, and nobody may be told of them before. Null: the leadership
 * ended first.
 */
export async function readWholeLog(reading: LogReading): Promise<LoadedLog | null> {
  const { ref, partitions, clock, log, signal, readBytesMax } = reading;
  let at = -1;
  let endOffset = -1;
  let records = 0;
  while (!signal.aborted) {
    const standing = partitions.standing(ref);
    if (standing.error !== null) {
      await sleep(clock, retryPauseMs, signal).catch(() => undefined);
      continue;
    }
    if (endOffset < 0) endOffset = standing.endOffset;
    at = Math.max(at, standing.startOffset);
    if (at >= endOffset) return { records, endOffset };
    if (standing.highWatermark <= at) {
      await partitions.changed([ref], clock.monotonicMs() + changeWaitMs, signal);
      continue;
    }
    const options = { fetchOffset: at, currentLeaderEpoch: -1, lastFetchedEpoch: -1, maxBytes: readBytesMax, minOneBatch: true };
    const read = await partitions.read(ref, options);
    if (signal.aborted) return null;
    // compaction may have taken the last records
    if (read.error === null && read.sizeInBytes === 0 && read.highWatermark >= endOffset) return { records, endOffset };
    if (read.error !== null || read.sizeInBytes === 0) {
      if (read.error !== null)
        log.warn({ partition: ref.partition, error: read.error, offset: at }, "cannot read the groups' log, trying again");
      await sleep(clock, retryPauseMs, signal).catch(() => undefined);
      continue;
    }
    const replayed = await replayBatches(reading, read.chunks, at);
    if (replayed === null) return null;
    records += replayed.records;
    if (replayed.endOffset <= at) {
      // damage that no read of the log has met so far: whoever looks for it reports this replica, and another broker leads
      log.error({ partition: ref.partition, offset: at }, "the groups' log cannot be read from here on, trying again");
      await sleep(clock, unreadablePauseMs, signal).catch(() => undefined);
      continue;
    }
    at = replayed.endOffset;
    // reads from memory never leave this turn of the loop: other requests must not wait for all of a long log
    await sleep(clock, 0, signal).catch(() => undefined);
  }
  return null;
}

/**
 * Whole batches, in one or more pieces. What cannot be read is left out, with a line in the log: one damaged record must not make a whole
 * partition of groups unusable.
 * Null: the leadership ended on the way.
 */
async function replayBatches(
  { replay, log, clock, signal }: LogReading,
  chunks: readonly Buffer[],
  fromOffset: number,
): Promise<{ readonly endOffset: number; readonly records: number } | null> {
  const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  let endOffset = fromOffset;
  let records = 0;
  let turnEndMs = clock.monotonicMs() + turnMaxMs;
  for (let position = 0; position + batchHeaderBytes <= bytes.length; ) {
    if (clock.monotonicMs() >= turnEndMs) {
      await sleep(clock, 0, signal).catch(() => undefined);
      if (signal.aborted) return null;
      turnEndMs = clock.monotonicMs() + turnMaxMs;
    }
    const batch = batchAt(bytes, position, log);
    if (batch === null) break;
    try {
      if (!batch.isControl) records += replayBatch(bytes, position, fromOffset, replay, log);
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
      log.error({ err: error, offset: batch.baseOffset }, "a batch of the groups' log cannot be read and is left out");
    }
    endOffset = Math.max(endOffset, batch.lastOffset + 1);
    position += batch.sizeInBytes;
  }
  // the next read may be answered from memory, without a turn for anyone else
  await sleep(clock, 0, signal).catch(() => undefined);
  return signal.aborted ? null : { endOffset, records };
}

/** Null, and a line in the log: what is there is no batch, so where the next one begins is not known. */
function batchAt(bytes: Buffer, position: number, log: Logger): BatchInfo | null {
  try {
    return openBatch(bytes, position, { checkCrc: false });
  } catch (error) {
    if (!(error instanceof MalformedFrame)) throw error;
    log.error({ err: error, position }, "something in the groups' log is no batch");
    return null;
  }
}

function replayBatch(
  bytes: Buffer,
  position: number,
  fromOffset: number,
  replay: (key: Buffer, value: Buffer | null) => void,
  log: Logger,
): number {
  let records = 0;
  // the CRC was checked when the batch was appended
  for (const { key, value, offset } of decodeBatch(bytes, position, { checkCrc: false, decompress: decompressRecords })) {
    if (key === null || offset < fromOffset) continue;
    try {
      replay(key, value);
      records++;
    } catch (error) {
      if (error instanceof InvariantViolation || !(error instanceof MalformedFrame)) throw error;
      log.error({ err: error, offset }, "a record of the groups' log cannot be read and is left out");
    }
  }
  return records;
}

/** The records in batches that the partition accepts; null: they need more than one and may not be divided, or one alone is too large. */
export function inBatches(
  records: readonly GroupRecord[],
  { batchBytesMax, divisible, timestampMs }: { readonly batchBytesMax: number; readonly divisible: boolean; readonly timestampMs: number },
): readonly { readonly bytes: Buffer; readonly records: readonly GroupRecord[] }[] | null {
  const batches: { bytes: Buffer; records: readonly GroupRecord[] }[] = [];
  let builder = new BatchBuilder();
  let from = 0;
  for (const [index, record] of records.entries()) {
    const isFull = builder.sizeInBytes + recordBytesAtMost(record) > batchBytesMax;
    if (isFull && (builder.recordsCount === 0 || !divisible)) return null;
    if (isFull) {
      batches.push({ bytes: builder.build(), records: records.slice(from, index) });
      builder = new BatchBuilder();
      from = index;
      if (builder.sizeInBytes + recordBytesAtMost(record) > batchBytesMax) return null;
    }
    builder.append({ ...record, timestampMs });
  }
  if (builder.recordsCount > 0) batches.push({ bytes: builder.build(), records: records.slice(from) });
  return batches;
}
