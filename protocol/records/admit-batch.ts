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
  type ParsedBatch,
  sealBatch,
  writeInt64,
} from "./batch-header.ts";
import type { RecordCompressorAside, RecordDecompressorAside } from "./codec.ts";
import { type UnpackingBudget, UnpacksToTooMuch } from "./codecs/unpacking.ts";
import { compressRecords, decompressRecordsWithin } from "./compression.ts";
import { type RecordError, type RecordRules, RecordWalk, type WalkedRecords, walkRecords } from "./walk-records.ts";

export interface AdmissionRules extends RecordRules {
  /** The topic's codec; "producer": whichever the producer chose. */
  readonly codec: CompressionCodec | "producer";
  /** The level when the broker compresses; of the codec above. */
  readonly level: number | undefined;
  /** Of the batch as it will be stored, in bytes, prefix included: recompression may have made it larger. */
  readonly batchBytesMax: number;
  /** What its records may be, unpacked, in bytes: every reader needs that much memory, however small the packed batch is. */
  readonly plainBytesMax: number;
}

export type Admission =
  | { readonly error: null /** The batch to store: the producer's own bytes, or new ones. */; readonly batch: ParsedBatch }
  | { readonly error: KafkaError; readonly message: string; readonly recordErrors: readonly RecordError[] };

/**
 * So many bytes of unpacked records are checked in one turn of the event loop: a few milliseconds. The largest uncompressed batch that
 * `max.message.bytes` allows by default is within it.
 */
const plainBytesPerTurnMax = 1024 * 1024;
const repackedBytesPerTurnMax = 256 * 1024;
/** Packing takes so many times as long as unpacking. */
const packingCostFactor: Readonly<Record<CompressionCodec, number>> = { none: 0, gzip: 32, snappy: 1, lz4: 1, zstd: 8 };
/** Records and headers walked before other work has its turn: a few milliseconds. */
const itemsPerStep = 50_000;

/** One turn of the event loop, in which many batches may be checked. Recompression is charged as well. */
export type Turn = UnpackingBudget;

/** Where work is done that would block everything else. */
export interface WorkAside {
  readonly unpack: RecordDecompressorAside;
  readonly pack: RecordCompressorAside;
  /** Resolves in a later turn of the event loop. */
  readonly pause: () => Promise<void>;
}

/**
 * For a batch whose header and CRC are sound: are its records sound, and does this topic accept them? Its largest timestamp is corrected in
 * place. If the topic has another codec, the result is another batch with the same records, offsets, timestamps and producer. Null: the
 * check would take longer than one turn of the event loop should, and nothing was changed; use `admitAside`.
 */
export function admitBatch(batch: ParsedBatch, rules: AdmissionRules, turn: Turn): Admission | null {
  const { header } = batch;
  const bytesMax = Math.min(rules.plainBytesMax, plainBytesPerTurnMax);
  const packed = packedRecords(batch);
  const codec = codecToStore(header, rules);
  const isTurnUsedUp = turn.unpackedBytesLeft <= 0 && (header.codec !== "none" || codec !== "none");
  if (isTurnUsedUp || (header.codec === "none" && packed.length > plainBytesPerTurnMax)) return null;
  try {
    const plain = decompressRecordsWithin(turn, header.codec ?? "none", packed, bytesMax);
    if (plain === null || (codec !== header.codec && plain.length > repackedBytesPerTurnMax)) return null;
    const walked = walkRecords(plain, header, rules);
    if (walked.errorsCount > 0) return refused(walked, header);
    if (codec === header.codec) return stored(batch, rules, walked, null);
    turn.unpackedBytesLeft -= plain.length * packingCostFactor[codec];
    return stored(batch, rules, walked, compressRecords(codec, plain, rules.level));
  } catch (error) {
    return error instanceof UnpacksToTooMuch && bytesMax < rules.plainBytesMax ? null : unreadable(error);
  }
}

/** The same for a batch of any size, with the work left to other threads or done in steps. */
export async function admitAside(batch: ParsedBatch, rules: AdmissionRules, { unpack, pack, pause }: WorkAside): Promise<Admission> {
  const { header } = batch;
  try {
    const codec = codecToStore(header, rules);
    const plain = await unpack(header.codec ?? "none", packedRecords(batch), rules.plainBytesMax);
    // as they are, records may be as many as a batch may hold; packed, whoever unpacks them must be able to
    if (codec !== "none" && plain.length > rules.plainBytesMax) throw new UnpacksToTooMuch(codec, rules.plainBytesMax);
    const walk = new RecordWalk(plain, header, rules);
    while (!walk.goOn(itemsPerStep)) await pause();
    if (walk.result.errorsCount > 0) return refused(walk.result, header);
    return stored(batch, rules, walk.result, codec === header.codec ? null : await pack(codec, plain, rules.level));
  } catch (error) {
    return unreadable(error);
  }
}

function packedRecords({ bytes }: ParsedBatch): Buffer {
  return bytes.subarray(batchHeaderBytes);
}

function codecToStore({ codec }: BatchInfo, rules: AdmissionRules): CompressionCodec {
  return rules.codec === "producer" ? (codec ?? "none") : rules.codec;
}

function unreadable(error: unknown): Admission {
  if (!(error instanceof MalformedFrame)) throw error;
  return { error: "INVALID_RECORD", message: error.message, recordErrors: [] };
}

/** `repacked`: the records in the topic's codec, where that is another. */
function stored(batch: ParsedBatch, rules: AdmissionRules, walked: WalkedRecords, repacked: Buffer | null): Admission {
  const { bytes, header } = batch;
  const maxTimestampMs = rules.timestamps === null ? header.maxTimestampMs : walked.maxTimestampMs;
  if (repacked !== null) return recompressed(batch, repacked, maxTimestampMs, rules);
  if (maxTimestampMs === header.maxTimestampMs) return { error: null, batch };
  writeInt64(bytes, fieldAt.maxTimestamp, maxTimestampMs);
  sealBatch(bytes, 0, bytes.length);
  return { error: null, batch: { bytes, header: { ...header, maxTimestampMs } } };
}

/** Kafka's choice: wrong timestamps determine the error of the whole batch. */
function refused({ errors, errorsCount }: WalkedRecords, { recordsCount }: BatchInfo): Admission {
  const error = errors.find((one) => one.error === "INVALID_TIMESTAMP")?.error ?? "INVALID_RECORD";
  const first = errors.find((one) => one.error === error) as RecordError;
  const message = `${errorsCount} of ${recordsCount} records cannot be taken; record ${first.index}: ${first.message}`;
  return { error, message, recordErrors: errors };
}

function recompressed({ bytes, header }: ParsedBatch, packed: Buffer, maxTimestampMs: number, rules: AdmissionRules): Admission {
  const { batchBytesMax } = rules;
  const codec = codecToStore(header, rules);
  const sizeInBytes = batchHeaderBytes + packed.length;
  if (sizeInBytes > batchBytesMax) {
    const message = `batch of ${sizeInBytes} bytes with the topic's compression (${codec}), at most ${batchBytesMax}`;
    return { error: "MESSAGE_TOO_LARGE", message, recordErrors: [] };
  }
  const made = Buffer.allocUnsafe(sizeInBytes);
  bytes.copy(made, 0, 0, batchHeaderBytes);
  packed.copy(made, batchHeaderBytes);
  const attributes = made.readInt16BE(fieldAt.attributes) & ~attributeBits.codecMask;
  made.writeInt16BE(attributes | compressionCodecs.indexOf(codec), fieldAt.attributes);
  made.writeInt32BE(sizeInBytes - batchPrefixBytes, fieldAt.batchLength);
  writeInt64(made, fieldAt.maxTimestamp, maxTimestampMs);
  sealBatch(made, 0, sizeInBytes);
  return { error: null, batch: { bytes: made, header: { ...header, sizeInBytes, codec, maxTimestampMs } } };
}
