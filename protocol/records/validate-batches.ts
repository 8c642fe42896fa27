import type { KafkaError, Outcome } from "../errors/kafka-errors.ts";
import {
  type BatchInfo,
  batchHeaderBytes,
  batchPrefixBytes,
  batchSizeAt,
  currentMagic,
  hasValidCrc,
  magicAt,
  noProducerId,
  noSequence,
  noTimestamp,
  readBatchInfo,
} from "./batch-header.ts";

export interface ProduceValidation {
  /** From Produce version 3 on, a partition's records are exactly one batch. */
  readonly exactlyOneBatch: boolean;
  /** A larger batch in bytes (prefix included) is MESSAGE_TOO_LARGE. Absent: no limit. */
  readonly batchBytesMax?: number;
  /** zstd came with Produce version 7 (KIP-110); a client of an older version cannot have meant it. */
  readonly zstdAllowed: boolean;
  /** A batch with a producer may be without sequence: only what a broker writes itself. Default false. */
  readonly mayLackSequence?: boolean;
}

interface Refusal {
  readonly error: KafkaError;
  readonly message: string;
}

/** What a broker must check before it appends what a producer sent. Checks headers and CRCs; the records are checked by `admitBatch`. */
export function validateProducedBatches(bytes: Buffer, options: ProduceValidation): Outcome<{ readonly batches: readonly BatchInfo[] }> {
  const batches: BatchInfo[] = [];
  let at = 0;
  while (at < bytes.length) {
    const found = soundBatchAt(bytes, at);
    if ("error" in found) return found;
    const refusal = refuseProduced(found, options);
    if (refusal !== null) return refusal;
    batches.push(found);
    at += found.sizeInBytes;
  }
  if (batches.length === 0) return refuse("INVALID_RECORD", "no record batch");
  if (options.exactlyOneBatch && batches.length > 1) return refuse("INVALID_RECORD", `${batches.length} record batches, one is allowed`);
  return { error: null, batches };
}

function refuse(error: KafkaError, message: string): Refusal {
  return { error, message };
}

/** The batch at `at` when it is whole, of format 2 and undamaged. */
function soundBatchAt(bytes: Buffer, at: number): BatchInfo | Refusal {
  const available = bytes.length - at;
  if (available < batchHeaderBytes) {
    // an old message set's entry may be shorter than our header, but its magic is in the same place
    if (available > 16 && magicAt(bytes, at) < currentMagic) return wrongMagic(magicAt(bytes, at));
    return refuse("CORRUPT_MESSAGE", `${available} bytes are too few for a batch`);
  }
  if (magicAt(bytes, at) !== currentMagic) return wrongMagic(magicAt(bytes, at));
  const sizeInBytes = batchSizeAt(bytes, at);
  if (sizeInBytes < batchHeaderBytes) return refuse("CORRUPT_MESSAGE", `batch of ${sizeInBytes} bytes is shorter than its header`);
  if (sizeInBytes > available) return refuse("CORRUPT_MESSAGE", `batch of ${sizeInBytes} bytes with ${available} bytes left`);
  if (!hasValidCrc(bytes, at, sizeInBytes)) return refuse("CORRUPT_MESSAGE", "CRC-32C does not match the batch");
  return readBatchInfo(bytes, at) ?? refuse("INVALID_RECORD", "offset, producer id or timestamp beyond 2^53");
}

function wrongMagic(magic: number): Refusal {
  return magic === 0 || magic === 1
    ? refuse("UNSUPPORTED_FOR_MESSAGE_FORMAT", `message format ${magic}; only format 2 is kept`)
    : refuse("CORRUPT_MESSAGE", `no message format ${magic}`);
}

function refuseProduced(batch: BatchInfo, options: ProduceValidation): Refusal | null {
  const { recordsCount, baseOffset, lastOffset } = batch;
  if (options.batchBytesMax !== undefined && batch.sizeInBytes > options.batchBytesMax)
    return refuse("MESSAGE_TOO_LARGE", `batch of ${batch.sizeInBytes} bytes, at most ${options.batchBytesMax}`);
  if (batch.codec === null) return refuse("UNSUPPORTED_COMPRESSION_TYPE", "unknown compression codec");
  if (batch.codec === "zstd" && !options.zstdAllowed) return refuse("UNSUPPORTED_COMPRESSION_TYPE", "zstd needs Produce version 7");
  if (batch.isControl) return refuse("INVALID_RECORD", "clients may not write control batches");
  if (baseOffset !== 0) return refuse("INVALID_RECORD", `base offset ${baseOffset}, a producer's is 0`);
  if (recordsCount < 1) return refuse("INVALID_RECORD", `batch of ${recordsCount} records`);
  if (lastOffset - baseOffset !== recordsCount - 1)
    return refuse("INVALID_RECORD", `last offset delta ${lastOffset - baseOffset} with ${recordsCount} records`);
  const lowestSequence = options.mayLackSequence === true ? noSequence : 0;
  if (batch.producerId > noProducerId && (batch.baseSequence < lowestSequence || batch.producerEpoch < 0))
    return refuse("INVALID_RECORD", `producer ${batch.producerId} without epoch or sequence`);
  if (batch.producerId < noProducerId) return refuse("INVALID_RECORD", `producer id ${batch.producerId}`);
  if (batch.isTransactional && batch.producerId === noProducerId) return refuse("INVALID_RECORD", "transactional without producer id");
  return refuseTimestamps(batch);
}

function refuseTimestamps({ timestampType, hasDeleteHorizon, baseTimestampMs }: BatchInfo): Refusal | null {
  if (timestampType === "LogAppendTime") return refuse("INVALID_TIMESTAMP", "a producer may not set LogAppendTime");
  if (hasDeleteHorizon) return refuse("INVALID_RECORD", "a producer may not set a delete horizon");
  // the largest timestamp may be anything (some producers leave it out): it is corrected once the records were walked
  return baseTimestampMs < noTimestamp ? refuse("INVALID_TIMESTAMP", `first timestamp ${baseTimestampMs}`) : null;
}

/** How a run of batches ends. `torn`: the last batch is incomplete (so far). `corrupt`: what follows is no batch, or a damaged one. */
export type Tail =
  | { readonly kind: "clean" }
  /** `neededBytes`: size of the whole torn batch, or 0 when too little of it is there to tell. */
  | { readonly kind: "torn"; readonly neededBytes: number }
  | { readonly kind: "corrupt"; readonly reason: string };

export interface Scan {
  readonly batches: readonly BatchInfo[];
  /** Bytes that the batches take, from the start of the buffer (or `from`): where the tail begins. */
  readonly endPosition: number;
  readonly tail: Tail;
}

export interface ScanOptions {
  /** Where in the buffer to start. */
  readonly from?: number;
  /** A length field that claims more is corruption, not a torn tail. Bytes; default 2^31-1. */
  readonly batchBytesMax?: number;
  /** False if the bytes were checked already. Default true. */
  readonly checkCrc?: boolean;
}

/**
 * Batches written by a leader, as recovery and followers find them: offsets and epochs are assigned, and compaction may have left gaps and
 * even batches without records. Stops at the first byte that is not a whole, undamaged batch. Offsets must rise from batch to batch.
 */
export function scanBatches(bytes: Buffer, { from = 0, batchBytesMax = 2 ** 31 - 1, checkCrc = true }: ScanOptions = {}): Scan {
  const batches: BatchInfo[] = [];
  let at = from;
  let previousLastOffset = -1;
  const ended = (tail: Tail): Scan => ({ batches, endPosition: at, tail });
  const corrupt = (reason: string) => ended({ kind: "corrupt", reason });

  while (at < bytes.length) {
    const available = bytes.length - at;
    if (available < batchPrefixBytes) return ended({ kind: "torn", neededBytes: 0 });
    const sizeInBytes = batchSizeAt(bytes, at);
    if (sizeInBytes < batchHeaderBytes) return corrupt(`batch of ${sizeInBytes} bytes is shorter than its header`);
    if (sizeInBytes > batchBytesMax) return corrupt(`batch of ${sizeInBytes} bytes, at most ${batchBytesMax}`);
    if (available > 16 && magicAt(bytes, at) !== currentMagic) return corrupt(`message format ${magicAt(bytes, at)}`);
    if (sizeInBytes > available) return ended({ kind: "torn", neededBytes: sizeInBytes });
    if (checkCrc && !hasValidCrc(bytes, at, sizeInBytes)) return corrupt("CRC-32C does not match the batch");
    const batch = readBatchInfo(bytes, at);
    if (batch === null) return corrupt("offset, producer id or timestamp beyond 2^53");
    const { baseOffset, lastOffset, recordsCount } = batch;
    if (recordsCount < 0 || lastOffset - baseOffset < Math.max(recordsCount - 1, 0))
      return corrupt(`offsets ${baseOffset} to ${lastOffset} with ${recordsCount} records`);
    if (baseOffset <= previousLastOffset) return corrupt(`offset ${baseOffset} after ${previousLastOffset}`);
    batches.push(batch);
    previousLastOffset = lastOffset;
    at += sizeInBytes;
  }
  return ended({ kind: "clean" });
}
