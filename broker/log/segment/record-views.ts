import { type BatchInfo, batchHeaderBytes } from "../../../protocol/records/batch-header.ts";
import type { RecordDecompressor, RecordDecompressorAside } from "../../../protocol/records/codec.ts";
import { UnpacksToTooMuch } from "../../../protocol/records/codecs/unpacking.ts";
import { RecordCursor } from "../../../protocol/records/record-cursor.ts";
import { MalformedFrame } from "../../../protocol/wire/reader.ts";

/** A batch may decompress to this much; one that would take more is kept as it is. */
const plainBytesMax = 256 * 1024 * 1024;
const bytesPerTurnMax = 1024 * 1024;

/** Records processed before other work gets a turn: some milliseconds. */
export const recordsPerStep = 10_000;

/** Where a record is in its batch's uncompressed records, and what compaction needs of it. */
export interface RecordView {
  readonly offset: number;
  /** As in the record, whatever the batch's timestamp type. */
  readonly timestampMs: number;
  /** A view, or null. */
  readonly key: Buffer | null;
  readonly isTombstone: boolean;
  /** From its length field on. */
  readonly from: number;
  /** The end of its timestamp: what follows depends on nothing of the batch's header but the base offset. */
  readonly bodyFrom: number;
  readonly to: number;
}

/** Decompresses small batches within the turn, and leaves the rest to other threads. */
export interface RecordUnpackers {
  /** Null: not within a turn. */
  readonly decompress: (...call: Parameters<RecordDecompressor>) => Buffer | null;
  readonly decompressAside: RecordDecompressorAside;
}

/** The records of a batch, decompressed, still in their wire form. Throws MalformedFrame. */
export async function plainRecords(bytes: Buffer, batch: BatchInfo, { decompress, decompressAside }: RecordUnpackers): Promise<Buffer> {
  return plainRecordsNow(bytes, batch, decompress) ?? plainRecordsAside(bytes, batch, decompressAside);
}

/** Null: decompressing them takes longer than a turn of the loop should. */
export function plainRecordsNow(bytes: Buffer, batch: BatchInfo, decompress: RecordUnpackers["decompress"]): Buffer | null {
  const packed = packedRecords(bytes, batch);
  if (batch.codec === null) throw new MalformedFrame("unknown compression codec");
  if (batch.codec === "none" || packed.length === 0) return packed;
  try {
    return decompress(batch.codec, packed, bytesPerTurnMax);
  } catch (error) {
    if (error instanceof UnpacksToTooMuch) return null;
    throw error;
  }
}

export function plainRecordsAside(bytes: Buffer, batch: BatchInfo, decompress: RecordDecompressorAside): Promise<Buffer> {
  return decompress(batch.codec ?? "none", packedRecords(bytes, batch), plainBytesMax);
}

function packedRecords(bytes: Buffer, { position, sizeInBytes }: BatchInfo): Buffer {
  return bytes.subarray(position + batchHeaderBytes, position + sizeInBytes);
}

/** Visits the records of a batch, so many at a time; values and headers are skipped unread. */
export class RecordViews {
  readonly #cursor: RecordCursor;
  readonly #batch: BatchInfo;
  #visited = 0;
  #previousOffset: number;

  constructor(plain: Buffer, batch: BatchInfo) {
    this.#cursor = new RecordCursor(plain);
    this.#batch = batch;
    this.#previousOffset = batch.baseOffset - 1;
  }

  /** True: these were the last. Throws MalformedFrame where they cannot be parsed. */
  visit(count: number, visit: (record: RecordView) => void): boolean {
    const cursor = this.#cursor;
    const { baseOffset, lastOffset, baseTimestampMs, recordsCount } = this.#batch;
    const until = Math.min(this.#visited + count, recordsCount);
    for (; this.#visited < until; this.#visited++) {
      const from = cursor.position;
      const to = cursor.mark(cursor.varint());
      cursor.byte(); // attributes: none are defined
      const timestampMs = baseTimestampMs + cursor.varlong();
      if (!Number.isSafeInteger(timestampMs)) throw new MalformedFrame("timestamp beyond 2^53");
      const bodyFrom = cursor.position;
      const offset = baseOffset + cursor.varint();
      if (offset <= this.#previousOffset || offset > lastOffset)
        throw new MalformedFrame(`record offset ${offset} after ${this.#previousOffset}`);
      this.#previousOffset = offset;
      const key = cursor.nullableBytes();
      const isTombstone = cursor.varint() === -1;
      if (cursor.position > to) throw new MalformedFrame(`record is longer than its length says`);
      cursor.moveTo(to);
      visit({ offset, timestampMs, key, isTombstone, from, bodyFrom, to });
    }
    if (this.#visited < recordsCount) return false;
    if (cursor.remaining > 0) throw new MalformedFrame(`${cursor.remaining} bytes after the last record`);
    return true;
  }
}
