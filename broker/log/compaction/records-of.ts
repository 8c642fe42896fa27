import { type BatchInfo, batchHeaderBytes } from "../../../protocol/records/batch-header.ts";
import type { RecordDecompressor } from "../../../protocol/records/codec.ts";
import { RecordCursor } from "../../../protocol/records/record-cursor.ts";
import { MalformedFrame } from "../../../protocol/wire/reader.ts";

/** A batch may unpack to this much; one that would take more is kept as it is. */
const plainBytesMax = 256 * 1024 * 1024;

/** Where a record lies in its batch's plain records, and what compaction asks of it. */
export interface RecordView {
  readonly offset: number;
  /** As the record has it, whatever the batch's timestamp type. */
  readonly timestampMs: number;
  /** A view, or null. */
  readonly key: Buffer | null;
  readonly isTombstone: boolean;
  /** From its length field on. */
  readonly from: number;
  /** Behind its timestamp: what follows does not depend on the batch's header but for the base offset. */
  readonly bodyFrom: number;
  readonly to: number;
}

/** The records of a batch, unpacked, still in their wire form. Throws MalformedFrame. */
export function plainRecords(bytes: Buffer, batch: BatchInfo, decompress: RecordDecompressor): Buffer {
  const packed = bytes.subarray(batch.position + batchHeaderBytes, batch.position + batch.sizeInBytes);
  if (batch.codec === null) throw new MalformedFrame("unknown compression codec");
  return batch.codec === "none" || packed.length === 0 ? packed : decompress(batch.codec, packed, plainBytesMax);
}

/** Visits the records of a batch; values and headers are passed over unread. Throws MalformedFrame where they make no sense. */
export function visitRecords(plain: Buffer, batch: BatchInfo, visit: (record: RecordView) => void): void {
  const cursor = new RecordCursor(plain);
  let previousOffset = batch.baseOffset - 1;
  for (let i = 0; i < batch.recordsCount; i++) {
    const from = cursor.position;
    const to = cursor.mark(cursor.varint());
    cursor.byte(); // attributes: none are defined
    const timestampMs = batch.baseTimestampMs + cursor.varlong();
    if (!Number.isSafeInteger(timestampMs)) throw new MalformedFrame("timestamp beyond 2^53");
    const bodyFrom = cursor.position;
    const offset = batch.baseOffset + cursor.varint();
    if (offset <= previousOffset || offset > batch.lastOffset) throw new MalformedFrame(`record offset ${offset} after ${previousOffset}`);
    previousOffset = offset;
    const key = cursor.nullableBytes();
    const isTombstone = cursor.varint() === -1;
    if (cursor.position > to) throw new MalformedFrame(`record is longer than its length says`);
    cursor.moveTo(to);
    visit({ offset, timestampMs, key, isTombstone, from, bodyFrom, to });
  }
  if (cursor.remaining > 0) throw new MalformedFrame(`${cursor.remaining} bytes after the last record`);
}
