import { invariant } from "../base/invariant.ts";
import { attributeBits, type BatchInfo, batchSizeAt, fieldAt, noTimestamp, sealBatch, writeInt64 } from "./batch-header.ts";
import { scanBatches } from "./validate-batches.ts";

export interface Assignment {
  /** Offset of the first record. */
  readonly baseOffset: number;
  readonly leaderEpoch: number;
  /** Under LogAppendTime, the time that every record gets; null under CreateTime. */
  readonly logAppendTimeMs: number | null;
}

export interface Assigned {
  /** The batches as they are now. */
  readonly batches: readonly BatchInfo[];
  /** Exclusive. */
  readonly endOffset: number;
  /** -1 when no record has a timestamp. */
  readonly maxTimestampMs: number;
}

/**
 * Gives validated batches their offsets and leader epoch, in place. The CRC covers neither, so a batch costs a few stores.
 * Only LogAppendTime, which changes attributes and timestamp, recomputes the CRC.
 */
export function assignOffsets(bytes: Buffer, { baseOffset, leaderEpoch, logAppendTimeMs }: Assignment): Assigned {
  invariant(baseOffset >= 0 && leaderEpoch >= 0, "offset and epoch are assigned", () => ({ baseOffset, leaderEpoch }));
  const batches: BatchInfo[] = [];
  let nextOffset = baseOffset;
  let maxTimestampMs = noTimestamp;
  for (let at = 0; at < bytes.length; ) {
    const batch = stampTime(bytes, oneBatch(bytes, at), logAppendTimeMs);
    const lastOffset = nextOffset + (batch.lastOffset - batch.baseOffset);
    writeInt64(bytes, at + fieldAt.baseOffset, nextOffset);
    bytes.writeInt32BE(leaderEpoch, at + fieldAt.partitionLeaderEpoch);
    batches.push({ ...batch, baseOffset: nextOffset, lastOffset, leaderEpoch });
    maxTimestampMs = Math.max(maxTimestampMs, batch.maxTimestampMs);
    nextOffset = lastOffset + 1;
    at += batch.sizeInBytes;
  }
  return { batches, endOffset: nextOffset, maxTimestampMs };
}

/** The LogAppendTime, if any. Under CreateTime, the largest timestamp if the producer left it out (some do): the time index needs it. */
function stampTime(bytes: Buffer, batch: BatchInfo, logAppendTimeMs: number | null): BatchInfo {
  const { position, sizeInBytes, baseTimestampMs } = batch;
  if (logAppendTimeMs === null && batch.maxTimestampMs >= baseTimestampMs) return batch;
  const maxTimestampMs = logAppendTimeMs ?? baseTimestampMs;
  writeInt64(bytes, position + fieldAt.maxTimestamp, maxTimestampMs);
  const attributes = bytes.readInt16BE(position + fieldAt.attributes);
  if (logAppendTimeMs !== null) bytes.writeInt16BE(attributes | attributeBits.logAppendTime, position + fieldAt.attributes);
  sealBatch(bytes, position, sizeInBytes);
  return { ...batch, maxTimestampMs, timestampType: logAppendTimeMs === null ? batch.timestampType : "LogAppendTime" };
}

function oneBatch(bytes: Buffer, at: number): BatchInfo {
  const { batches } = scanBatches(bytes.subarray(at, at + batchSizeAt(bytes, at)), { checkCrc: false });
  const batch = batches[0];
  invariant(batch !== undefined && batches.length === 1, "batches were validated before offsets are assigned", () => ({ at }));
  return { ...batch, position: at };
}
