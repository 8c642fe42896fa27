import { invariant } from "../base/invariant.ts";
import {
  attributeBits,
  batchHeaderBytes,
  batchPrefixBytes,
  type CompressionCodec,
  compressionCodecs,
  currentMagic,
  fieldAt,
  noProducerId,
  noSequence,
  noTimestamp,
  sealBatch,
  writeInt64,
} from "./batch-header.ts";
import { type RecordCompressor, uncompressedOnly } from "./codec.ts";
import type { RecordHeader, RecordToEncode } from "./record.ts";

/** An idempotent producer's id, epoch and sequence for a batch. */
export interface ProducerFields {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

export interface BatchOptions extends Partial<ProducerFields> {
  readonly codec?: CompressionCodec;
  readonly level?: number;
  /** Needed for every codec but "none". */
  readonly compress?: RecordCompressor;
  /** Offset of the first record; a producer leaves it 0. */
  readonly baseOffset?: number;
  readonly leaderEpoch?: number;
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
}

/** Largest timestamp that can be written: the difference of any two, zigzag-coded, is exact in a number. */
export const timestampMaxMs = 2 ** 52 - 2;

/** Collects records, already in their wire form, into one batch. */
export class BatchBuilder {
  /** Room for the header, then the records. */
  #bytes: Buffer;
  #end = batchHeaderBytes;
  #recordsCount = 0;
  #baseTimestampMs = noTimestamp;
  #maxTimestampMs = noTimestamp;

  /** `room`: how many bytes it begins with, or the bytes themselves. Records that do not fit into them move to larger ones. */
  constructor(room: number | Buffer = 1024) {
    this.#bytes = typeof room === "number" ? Buffer.allocUnsafe(Math.max(room, batchHeaderBytes)) : room;
    invariant(this.#bytes.length >= batchHeaderBytes, "a batch's header has room");
  }

  /** What the batch was built in. */
  get room(): Buffer {
    return this.#bytes;
  }

  /** Of the batch as it would be uncompressed, in bytes. */
  get sizeInBytes(): number {
    return this.#end;
  }

  get recordsCount(): number {
    return this.#recordsCount;
  }

  append(record: RecordToEncode): void {
    const { key, value, headers = noHeaders, timestampMs } = record;
    invariant(
      Number.isInteger(timestampMs) && timestampMs >= noTimestamp && timestampMs <= timestampMaxMs,
      "a record's timestamp is a time or -1",
      () => ({ timestampMs: record.timestampMs }),
    );
    if (this.#recordsCount === 0) this.#baseTimestampMs = timestampMs;
    if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
    const timestampDelta = timestampMs - this.#baseTimestampMs;
    const offsetDelta = this.#recordsCount;
    const bodyBytes = 1 + varlongBytes(timestampDelta) + varlongBytes(offsetDelta) + contentBytes(key, value, headers);
    this.#reserve(varlongBytes(bodyBytes) + bodyBytes);
    const bytes = this.#bytes;
    let at = putVarlong(bytes, this.#end, bodyBytes);
    bytes[at++] = 0; // attributes: none are defined
    at = putVarlong(bytes, at, timestampDelta);
    at = putVarlong(bytes, at, offsetDelta);
    at = putNullableBytes(bytes, at, key);
    at = putNullableBytes(bytes, at, value);
    at = putVarlong(bytes, at, headers.length);
    if (headers.length > 0) at = putHeaders(bytes, at, headers);
    this.#end = at;
    this.#recordsCount++;
  }

  /**
   * The whole batch, CRC included. Uncompressed it is a view on the builder's own bytes, not a copy: the builder accepts no more records
   * then, and building it again (a retry with other options) rewrites the header in the same place.
   */
  build(options: BatchOptions = {}): Buffer {
    const { codec = "none", level, compress = uncompressedOnly } = options;
    invariant(this.#recordsCount > 0, "a batch has a record");
    const plain = this.#bytes.subarray(batchHeaderBytes, this.#end);
    const batch =
      codec === "none"
        ? this.#bytes.subarray(0, this.#end)
        : Buffer.concat([Buffer.alloc(batchHeaderBytes), compress(codec, plain, level)]);
    this.#writeHeader(batch, codec, options);
    return batch;
  }

  #writeHeader(batch: Buffer, codec: CompressionCodec, options: BatchOptions): void {
    const { baseOffset = 0, leaderEpoch = -1, producerId = noProducerId, producerEpoch = -1, baseSequence = noSequence } = options;
    const attributes =
      compressionCodecs.indexOf(codec) |
      (options.isTransactional === true ? attributeBits.transactional : 0) |
      (options.isControl === true ? attributeBits.control : 0);
    writeInt64(batch, fieldAt.baseOffset, baseOffset);
    batch.writeInt32BE(batch.length - batchPrefixBytes, fieldAt.batchLength);
    batch.writeInt32BE(leaderEpoch, fieldAt.partitionLeaderEpoch);
    batch.writeInt8(currentMagic, fieldAt.magic);
    batch.writeInt16BE(attributes, fieldAt.attributes);
    batch.writeInt32BE(this.#recordsCount - 1, fieldAt.lastOffsetDelta);
    writeInt64(batch, fieldAt.baseTimestamp, this.#baseTimestampMs);
    writeInt64(batch, fieldAt.maxTimestamp, this.#maxTimestampMs);
    batch.writeInt32BE(this.#recordsCount, fieldAt.recordsCount);
    signBatch(batch, { producerId, producerEpoch, baseSequence });
  }

  #reserve(length: number): void {
    if (this.#end + length <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#end + length));
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }
}

const noHeaders: readonly RecordHeader[] = [];

/** Signs a whole batch, in place. */
export function signBatch(batch: Buffer, { producerId, producerEpoch, baseSequence }: ProducerFields): Buffer {
  writeInt64(batch, fieldAt.producerId, producerId);
  batch.writeInt16BE(producerEpoch, fieldAt.producerEpoch);
  batch.writeInt32BE(baseSequence, fieldAt.baseSequence);
  sealBatch(batch, 0, batch.length);
  return batch;
}

/** One batch of these records. */
export function encodeBatch(records: readonly RecordToEncode[], options: BatchOptions = {}): Buffer {
  const builder = new BatchBuilder();
  for (const record of records) builder.append(record);
  return builder.build(options);
}

/** The most bytes a record can take in a batch, whatever its place in it. */
export function recordBytesAtMost({ key, value, headers = [] }: Omit<RecordToEncode, "timestampMs">): number {
  const deltasAtMost = 1 + 5 + 10 + 5; // attributes, length, timestamp delta, offset delta
  return deltasAtMost + contentBytes(key, value, headers);
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

/** Most numbers in a batch take one byte or two. */
function varlongBytes(value: number): number {
  if (value >= -64 && value < 64) return 1;
  if (value >= -8192 && value < 8192) return 2;
  let bytes = 3;
  for (let rest = zigzag(value); rest > 0x1fffff; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/** Zigzag; returns where it ends. Its size as a varint is the same. */
function putVarlong(bytes: Buffer, at: number, value: number): number {
  if (value >= 0 && value < 8192) {
    const raw = value << 1;
    if (raw <= 0x7f) {
      bytes[at] = raw;
      return at + 1;
    }
    bytes[at] = (raw & 0x7f) | 0x80;
    bytes[at + 1] = raw >>> 7;
    return at + 2;
  }
  let end = at;
  let rest = zigzag(value);
  while (rest > 0x7f) {
    bytes[end++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  bytes[end++] = rest;
  return end;
}

function putNullableBytes(bytes: Buffer, at: number, value: Buffer | null): number {
  if (value === null) return putVarlong(bytes, at, -1);
  const start = putVarlong(bytes, at, value.length);
  bytes.set(value, start);
  return start + value.length;
}

function putHeaders(bytes: Buffer, at: number, headers: readonly RecordHeader[]): number {
  let end = at;
  for (const { key, value } of headers) {
    const keyBytes = Buffer.byteLength(key);
    end = putVarlong(bytes, end, keyBytes);
    end += bytes.write(key, end, keyBytes, "utf8");
    end = putNullableBytes(bytes, end, value);
  }
  return end;
}

function nullableBytesLength(bytes: Buffer | null): number {
  return bytes === null ? 1 : varlongBytes(bytes.length) + bytes.length;
}

function contentBytes(key: Buffer | null, value: Buffer | null, headers: readonly RecordHeader[]): number {
  let length = nullableBytesLength(key) + nullableBytesLength(value) + varlongBytes(headers.length);
  for (const header of headers) {
    const keyBytes = Buffer.byteLength(header.key);
    length += varlongBytes(keyBytes) + keyBytes + nullableBytesLength(header.value);
  }
  return length;
}
