import { crc32c } from "@node-rs/crc32";
import { invariant } from "../base/invariant.ts";

/**
 * The 61-byte header of a record batch, format 2, read and written in place. `at` is where the batch starts in the buffer;
 * the caller has checked that the whole header is there.
 */

/** Base offset and length: what is needed to know how long the batch is. The length does not count these bytes. */
export const batchPrefixBytes = 12;
export const batchHeaderBytes = 61;
export const currentMagic = 2;

/** Where in the batch each field is, and from where on the CRC counts. */
export const fieldAt = {
  baseOffset: 0,
  batchLength: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordsCount: 57,
} as const;

/** The CRC-32C covers everything from the attributes on; base offset, length, leader epoch and magic may change without it. */
export const crcCoversFrom = fieldAt.attributes;

export const compressionCodecs = ["none", "gzip", "snappy", "lz4", "zstd"] as const;
export type CompressionCodec = (typeof compressionCodecs)[number];
export type TimestampType = "CreateTime" | "LogAppendTime";

export const attributeBits = {
  codecMask: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  /** KIP-534: the base timestamp is when a compacted tombstone may be removed. */
  deleteHorizon: 0x40,
} as const;

/** The timestamp of a record without one. */
export const noTimestamp = -1;
/** The producer id of a batch from a producer that is not idempotent; its epoch and sequence are -1 too. */
export const noProducerId = -1;
export const noSequence = -1;

/** What a batch's header says. Offsets, ids and timestamps are exact: a header that holds larger ones never becomes a BatchInfo. */
export interface BatchInfo {
  /** Where the batch starts in its buffer, and its size in bytes, prefix included. */
  readonly position: number;
  readonly sizeInBytes: number;
  readonly baseOffset: number;
  /** Inclusive. */
  readonly lastOffset: number;
  /** -1 as a producer sends it. */
  readonly leaderEpoch: number;
  /** Null: a number that no codec has. */
  readonly codec: CompressionCodec | null;
  readonly timestampType: TimestampType;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly hasDeleteHorizon: boolean;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordsCount: number;
}

/** A batch alone in its bytes, parsed: what its header says goes with it, and is not read again. */
export interface ParsedBatch {
  readonly bytes: Buffer;
  readonly header: BatchInfo;
}

/** May be inexact beyond 2^53: check with Number.isSafeInteger. */
export function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

export function writeInt64(bytes: Buffer, at: number, value: number): void {
  invariant(Number.isSafeInteger(value), "an int64 is a whole number within 2^53", () => ({ value }));
  bytes.writeInt32BE(Math.floor(value / 2 ** 32), at);
  bytes.writeUInt32BE(value >>> 0, at + 4);
}

/** Size in bytes of the whole batch, prefix included, as its length field says: not checked, may be anything. Needs the prefix only. */
export function batchSizeAt(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + fieldAt.batchLength) + batchPrefixBytes;
}

export function baseOffsetAt(bytes: Buffer, at: number): number {
  return readInt64(bytes, at + fieldAt.baseOffset);
}

export function lastOffsetAt(bytes: Buffer, at: number): number {
  return baseOffsetAt(bytes, at) + bytes.readInt32BE(at + fieldAt.lastOffsetDelta);
}

export function recordsCountAt(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + fieldAt.recordsCount);
}

export function leaderEpochAt(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + fieldAt.partitionLeaderEpoch);
}

export function magicAt(bytes: Buffer, at: number): number {
  return bytes.readInt8(at + fieldAt.magic);
}

export function maxTimestampAt(bytes: Buffer, at: number): number {
  return readInt64(bytes, at + fieldAt.maxTimestamp);
}

export function producerIdAt(bytes: Buffer, at: number): number {
  return readInt64(bytes, at + fieldAt.producerId);
}

/**
 * The header at `at`, or null when an offset (including the one after its last), id or timestamp in it is beyond 2^53. Nothing else is
 * checked.
 */
export function readBatchInfo(bytes: Buffer, at: number): BatchInfo | null {
  const attributes = bytes.readInt16BE(at + fieldAt.attributes);
  const baseOffset = baseOffsetAt(bytes, at);
  const lastOffset = lastOffsetAt(bytes, at);
  const baseTimestampMs = readInt64(bytes, at + fieldAt.baseTimestamp);
  const maxTimestampMs = maxTimestampAt(bytes, at);
  const producerId = producerIdAt(bytes, at);
  const exact =
    Number.isSafeInteger(baseOffset) &&
    Number.isSafeInteger(lastOffset + 1) &&
    Number.isSafeInteger(baseTimestampMs) &&
    Number.isSafeInteger(maxTimestampMs) &&
    Number.isSafeInteger(producerId);
  if (!exact) return null;
  return {
    position: at,
    sizeInBytes: batchSizeAt(bytes, at),
    baseOffset,
    lastOffset,
    leaderEpoch: leaderEpochAt(bytes, at),
    codec: compressionCodecs[attributes & attributeBits.codecMask] ?? null,
    timestampType: (attributes & attributeBits.logAppendTime) !== 0 ? "LogAppendTime" : "CreateTime",
    isTransactional: (attributes & attributeBits.transactional) !== 0,
    isControl: (attributes & attributeBits.control) !== 0,
    hasDeleteHorizon: (attributes & attributeBits.deleteHorizon) !== 0,
    baseTimestampMs,
    maxTimestampMs,
    producerId,
    producerEpoch: bytes.readInt16BE(at + fieldAt.producerEpoch),
    baseSequence: bytes.readInt32BE(at + fieldAt.baseSequence),
    recordsCount: bytes.readInt32BE(at + fieldAt.recordsCount),
  };
}

/** What the CRC of the batch at `at` should be. `sizeInBytes` is that of the whole batch, which lies within the buffer. */
export function batchCrc(bytes: Buffer, at: number, sizeInBytes: number): number {
  return crc32c(bytes.subarray(at + crcCoversFrom, at + sizeInBytes));
}

export function hasValidCrc(bytes: Buffer, at: number, sizeInBytes: number): boolean {
  return bytes.readUInt32BE(at + fieldAt.crc) === batchCrc(bytes, at, sizeInBytes);
}

/** Writes the CRC of the batch as it is now. */
export function sealBatch(bytes: Buffer, at: number, sizeInBytes: number): void {
  bytes.writeUInt32BE(batchCrc(bytes, at, sizeInBytes), at + fieldAt.crc);
}

/** The sequence `delta` records after `sequence`: after 2^31-1 comes 0. */
export function sequencePlus(sequence: number, delta: number): number {
  return (sequence + delta) % 2 ** 31;
}
