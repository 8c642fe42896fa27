import { invariant } from "../base/invariant.ts";
import { attributeBits, type BatchInfo, fieldAt, type ParsedBatch, sealBatch, writeInt64 } from "./batch-header.ts";

export interface Assignment {
  /** Offset of the first record. */
  readonly baseOffset: number;
  readonly leaderEpoch: number;
  /** Under LogAppendTime, the time that every record gets; null under CreateTime. */
  readonly logAppendTimeMs: number | null;
}

/**
 * Gives a validated batch its offsets and leader epoch, in place. Neither is covered by the CRC, so a batch costs a few stores; only
 * LogAppendTime, which changes attributes and timestamp, computes the CRC anew. Returns the header as it now is.
 */
export function assignOffsets(batch: ParsedBatch, { baseOffset, leaderEpoch, logAppendTimeMs }: Assignment): BatchInfo {
  const { bytes } = batch;
  invariant(baseOffset >= 0 && leaderEpoch >= 0, "offset and epoch are assigned", () => ({ baseOffset, leaderEpoch }));
  invariant(batch.header.position === 0 && batch.header.sizeInBytes === bytes.length, "a parsed batch is alone in its bytes");
  const header = stampTime(batch, logAppendTimeMs);
  writeInt64(bytes, fieldAt.baseOffset, baseOffset);
  bytes.writeInt32BE(leaderEpoch, fieldAt.partitionLeaderEpoch);
  return { ...header, baseOffset, lastOffset: baseOffset + (header.lastOffset - header.baseOffset), leaderEpoch };
}

/**
 * LogAppendTime, if any; under CreateTime, a largest timestamp where the producer left it out (some do): the index of timestamps lives on
 * it.
 */
function stampTime({ bytes, header }: ParsedBatch, logAppendTimeMs: number | null): BatchInfo {
  const { baseTimestampMs } = header;
  if (logAppendTimeMs === null && header.maxTimestampMs >= baseTimestampMs) return header;
  const maxTimestampMs = logAppendTimeMs ?? baseTimestampMs;
  writeInt64(bytes, fieldAt.maxTimestamp, maxTimestampMs);
  const attributes = bytes.readInt16BE(fieldAt.attributes);
  if (logAppendTimeMs !== null) bytes.writeInt16BE(attributes | attributeBits.logAppendTime, fieldAt.attributes);
  sealBatch(bytes, 0, bytes.length);
  return { ...header, maxTimestampMs, timestampType: logAppendTimeMs === null ? header.timestampType : "LogAppendTime" };
}
