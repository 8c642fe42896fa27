import type { KafkaError } from "../errors/kafka-errors.ts";
import { MalformedFrame } from "../wire/reader.ts";
import {
  attributeBits,
  type BatchInfo,
  batchHeaderBytes,
  batchPrefixBytes,
  type CompressionCodec,
  compressionCodecs,
  fieldAt,
  sealBatch,
  writeInt64,
} from "./batch-header.ts";
import { compressRecords, decompressRecords } from "./compression.ts";
import { decompressedBytesMaxDefault } from "./decode-batch.ts";
import { type RecordError, type RecordRules, type WalkedRecords, walkRecords } from "./walk-records.ts";

export interface AdmissionRules extends RecordRules {
  /** The codec that the topic keeps; "producer": whichever the producer chose. */
  readonly codec: CompressionCodec | "producer";
  /** How hard to compress when the broker does it; of the codec above. */
  readonly level: number | undefined;
  /** Of the batch as it will be stored, prefix included: compressing it anew may have made it larger. */
  readonly batchBytesMax: number;
}

export type Admission =
  | { readonly error: null /** The batch to store: the producer's own bytes, or new ones. */; readonly bytes: Buffer }
  | { readonly error: KafkaError; readonly message: string; readonly recordErrors: readonly RecordError[] };

/**
 * A batch whose header and CRC are sound: are its records, and may this topic take them? Its largest timestamp is made true in place; another codec makes another batch of it,
 * with the same records, offsets, timestamps and producer.
 */
export function admitBatch(bytes: Buffer, batch: BatchInfo, rules: AdmissionRules): Admission {
  const codec = batch.codec ?? "none";
  const packed = bytes.subarray(batch.position + batchHeaderBytes, batch.position + batch.sizeInBytes);
  let plain: Buffer;
  let walked: WalkedRecords;
  try {
    plain = codec === "none" ? packed : decompressRecords(codec, packed, decompressedBytesMaxDefault);
    walked = walkRecords(plain, batch, rules);
  } catch (error) {
    if (!(error instanceof MalformedFrame)) throw error;
    return { error: "INVALID_RECORD", message: error.message, recordErrors: [] };
  }
  if (walked.errorsCount > 0) return refused(walked, batch);
  const maxTimestampMs = rules.timestamps === null ? batch.maxTimestampMs : walked.maxTimestampMs;
  if (rules.codec !== "producer" && rules.codec !== codec) return recompressed(bytes, batch, plain, rules.codec, maxTimestampMs, rules);
  if (maxTimestampMs !== batch.maxTimestampMs) {
    writeInt64(bytes, batch.position + fieldAt.maxTimestamp, maxTimestampMs);
    sealBatch(bytes, batch.position, batch.sizeInBytes);
  }
  return { error: null, bytes };
}

/** Kafka's choice: timestamps that are wrong name the error of the whole. */
function refused({ errors, errorsCount }: WalkedRecords, { recordsCount }: BatchInfo): Admission {
  const error = errors.find((one) => one.error === "INVALID_TIMESTAMP")?.error ?? "INVALID_RECORD";
  const first = errors.find((one) => one.error === error) as RecordError;
  const message = `${errorsCount} of ${recordsCount} records cannot be taken; record ${first.index}: ${first.message}`;
  return { error, message, recordErrors: errors };
}

function recompressed(
  bytes: Buffer,
  batch: BatchInfo,
  plain: Buffer,
  codec: CompressionCodec,
  maxTimestampMs: number,
  { level, batchBytesMax }: AdmissionRules,
): Admission {
  const packed = compressRecords(codec, plain, level);
  const sizeInBytes = batchHeaderBytes + packed.length;
  if (sizeInBytes > batchBytesMax) {
    const message = `batch of ${sizeInBytes} bytes with the topic's compression (${codec}), at most ${batchBytesMax}`;
    return { error: "MESSAGE_TOO_LARGE", message, recordErrors: [] };
  }
  const made = Buffer.allocUnsafe(sizeInBytes);
  bytes.copy(made, 0, batch.position, batch.position + batchHeaderBytes);
  packed.copy(made, batchHeaderBytes);
  const attributes = made.readInt16BE(fieldAt.attributes) & ~attributeBits.codecMask;
  made.writeInt16BE(attributes | compressionCodecs.indexOf(codec), fieldAt.attributes);
  made.writeInt32BE(sizeInBytes - batchPrefixBytes, fieldAt.batchLength);
  writeInt64(made, fieldAt.maxTimestamp, maxTimestampMs);
  sealBatch(made, 0, sizeInBytes);
  return { error: null, bytes: made };
}
