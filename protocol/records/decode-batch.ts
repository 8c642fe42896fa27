import { MalformedFrame } from "../wire/reader.ts";
import { type BatchInfo, batchHeaderBytes, batchSizeAt, currentMagic, hasValidCrc, magicAt, readBatchInfo } from "./batch-header.ts";
import { type RecordDecompressor, uncompressedOnly } from "./codec.ts";
import type { DecodedRecord, RecordHeader } from "./record.ts";
import { RecordCursor } from "./record-cursor.ts";

export interface DecodeOptions {
  /** Needed for compressed batches; without it they throw CompressionUnavailable. */
  readonly decompress?: RecordDecompressor;
  /** What a compressed batch may unpack to, in bytes, so a small bomb cannot exhaust the memory. Default 64 MiB. */
  readonly decompressedBytesMax?: number;
  /** False if the CRC was checked already. Default true. */
  readonly checkCrc?: boolean;
}

/**
 * 64 times what a batch may be by default (`max.message.bytes`). A broker accepts no batch that unpacks to more, so readers can rely on it.
 */
export const decompressedBytesMaxDefault = 64 * 1024 * 1024;

/**
 * The header of the batch at `at`, checked as far as reading needs it. Throws MalformedFrame.
 * To iterate over a buffer of batches, use `scanBatches`.
 */
export function openBatch(bytes: Buffer, at = 0, { checkCrc = true }: Pick<DecodeOptions, "checkCrc"> = {}): BatchInfo {
  const available = bytes.length - at;
  if (available < batchHeaderBytes) throw new MalformedFrame(`${available} bytes are too few for a batch`);
  const sizeInBytes = batchSizeAt(bytes, at);
  if (sizeInBytes < batchHeaderBytes || sizeInBytes > available)
    throw new MalformedFrame(`batch of ${sizeInBytes} bytes with ${available} bytes left`);
  if (magicAt(bytes, at) !== currentMagic) throw new MalformedFrame(`message format ${magicAt(bytes, at)}`);
  if (checkCrc && !hasValidCrc(bytes, at, sizeInBytes)) throw new MalformedFrame("CRC-32C does not match the batch");
  const batch = readBatchInfo(bytes, at);
  if (batch === null) throw new MalformedFrame("offset, producer id or timestamp beyond 2^53");
  if (batch.codec === null) throw new MalformedFrame("unknown compression codec");
  if (batch.baseOffset < 0 || batch.lastOffset < batch.baseOffset)
    throw new MalformedFrame(`offsets ${batch.baseOffset} to ${batch.lastOffset}`);
  return batch;
}

/** The records of one batch, one by one. Whatever the bytes are, it yields records or throws MalformedFrame (or CompressionUnavailable). */
export function* decodeBatch(bytes: Buffer, at = 0, options: DecodeOptions = {}): Generator<DecodedRecord, void, undefined> {
  const records = new BatchRecords(bytes, at, options);
  for (let record = records.next(); record !== null; record = records.next()) yield record;
}

/** The same without what resuming a generator costs: a reader of many records decodes each with a plain call. */
export class BatchRecords {
  readonly #batch: BatchInfo;
  readonly #cursor: RecordCursor;
  readonly #count: number;
  #decoded = 0;
  #previousOffset: number;

  /** Decompresses the batch. Throws as `next` does. */
  constructor(bytes: Buffer, at = 0, options: DecodeOptions = {}) {
    const { decompress = uncompressedOnly, decompressedBytesMax = decompressedBytesMaxDefault } = options;
    const batch = openBatch(bytes, at, options);
    if (batch.recordsCount < 0) throw new MalformedFrame(`batch of ${batch.recordsCount} records`);
    const packed = bytes.subarray(at + batchHeaderBytes, at + batch.sizeInBytes);
    // without a record and without bytes, compaction kept the header for the producer state
    const isPlain = batch.codec === null || batch.codec === "none" || (batch.recordsCount === 0 && packed.length === 0);
    this.#cursor = new RecordCursor(isPlain ? packed : decompress(batch.codec, packed, decompressedBytesMax));
    this.#batch = batch;
    this.#count = batch.recordsCount;
    this.#previousOffset = batch.baseOffset - 1;
  }

  /** Null: that was the last, and nothing follows it. */
  next(): DecodedRecord | null {
    if (this.#decoded === this.#count) {
      if (this.#cursor.remaining > 0) throw new MalformedFrame(`${this.#cursor.remaining} bytes after the last record`);
      return null;
    }
    const record = decodeRecord(this.#cursor, this.#batch);
    const { offset } = record;
    if (offset <= this.#previousOffset || offset > this.#batch.lastOffset)
      throw new MalformedFrame(`record offset ${offset} after ${this.#previousOffset}, the batch's last is ${this.#batch.lastOffset}`);
    this.#previousOffset = offset;
    this.#decoded++;
    return record;
  }
}

function decodeRecord(cursor: RecordCursor, batch: BatchInfo): DecodedRecord {
  const end = cursor.mark(cursor.varint());
  cursor.byte(); // attributes: none are defined
  const timestampMs = batch.baseTimestampMs + cursor.varlong();
  const offset = batch.baseOffset + cursor.varint();
  const key = cursor.nullableBytes();
  const value = cursor.nullableBytes();
  const headers = decodeHeaders(cursor);
  if (cursor.position !== end) throw new MalformedFrame(`record ends at ${cursor.position}, its length says ${end}`);
  if (!Number.isSafeInteger(timestampMs)) throw new MalformedFrame("timestamp beyond 2^53");
  return { offset, timestampMs: batch.timestampType === "LogAppendTime" ? batch.maxTimestampMs : timestampMs, key, value, headers };
}

const noHeaders: readonly RecordHeader[] = [];

function decodeHeaders(cursor: RecordCursor): readonly RecordHeader[] {
  const count = cursor.headersCount();
  if (count === 0) return noHeaders;
  const headers: RecordHeader[] = [];
  for (let i = 0; i < count; i++) headers.push({ key: cursor.text(), value: cursor.nullableBytes() });
  return headers;
}

/** The type of a control batch's only record: the end of a transaction. Unknown types are `other` and skipped (as Kafka's clients do). */
export type ControlRecord =
  | { readonly kind: "abort" | "commit"; readonly coordinatorEpoch: number }
  | { readonly kind: "other"; readonly type: number };

export function readControlRecord({ key, value }: Pick<DecodedRecord, "key" | "value">): ControlRecord {
  if (key === null || key.length < 4) throw new MalformedFrame("control record without a type");
  const type = key.readInt16BE(2);
  if (type !== 0 && type !== 1) return { kind: "other", type };
  if (value === null || value.length < 6) throw new MalformedFrame("end of a transaction without the coordinator's epoch");
  return { kind: type === 0 ? "abort" : "commit", coordinatorEpoch: value.readInt32BE(2) };
}
