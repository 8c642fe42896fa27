import type { File } from "../../../broker/disk-format.ts";
import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import { readEndMarker } from "../../../protocol/records/end-marker.ts";
import { MalformedFrame } from "../../../protocol/wire/reader.ts";
import { readLargeBatch, recordsOf } from "../batch-records.ts";
import { type FoundBatch, scanSegment } from "../scan-segment.ts";
import type { EpochsCheck } from "./check-epochs.ts";
import type { OffsetIndexCheck, TimeIndexCheck } from "./check-index.ts";
import type { OffsetsCheck } from "./check-offsets.ts";
import type { ProducersCheck } from "./check-producers.ts";
import type { TransactionsCheck } from "./check-transactions.ts";
import type { Fault } from "./finding.ts";

/** The checks that each batch of a segment is passed to. */
export interface SegmentChecks {
  readonly offsets: OffsetsCheck;
  readonly epochs: EpochsCheck;
  /** Null: the index is missing, or cannot be checked. */
  readonly offsetIndex: OffsetIndexCheck | null;
  readonly timeIndex: TimeIndexCheck | null;
  readonly producers: ProducersCheck;
  readonly transactions: TransactionsCheck;
}

export interface SegmentOptions {
  /** Check the records, too: decompress each batch and decode everything in it. */
  readonly deep: boolean;
  /** What to add to the message where the segment ends with something that is not a batch. */
  readonly tornTail: string;
  /** No batch follows any more: its time index has its largest timestamp. */
  readonly isComplete: boolean;
  readonly tell: (fault: Fault) => void;
  /** Of `leader-epoch-checkpoint`. */
  readonly tellEpochs: (fault: Fault) => void;
  /** Bytes checked since the last call. */
  readonly advanced: (bytes: number) => void;
}

export interface SegmentTotals {
  readonly batches: number;
  readonly records: number;
  readonly sizeInBytes: number;
}

export async function verifySegment(file: File, checks: SegmentChecks, options: SegmentOptions): Promise<SegmentTotals> {
  const { offsets, offsetIndex, timeIndex } = checks;
  const { tell } = options;
  const sizeInBytes = await file.size();
  let [batches, records, from, isWhole] = [0, 0, 0, true];
  for await (const part of scanSegment(file, sizeInBytes)) {
    for (const found of part.batches) {
      batches++;
      records += found.crcValid ? found.info.recordsCount : 0;
      verifyBatch(found, checks, options);
      if (options.deep && found.crcValid) await verifyRecords(file, found, tell);
      const end = found.info.position + found.info.sizeInBytes;
      options.advanced(end - from);
      from = end;
    }
    if (part.end !== null) {
      isWhole = false;
      const { position, reason } = part.end;
      tell({ position, reason: `${reason}${options.tornTail}`, ...(offsets.endOffset === null ? {} : { offset: offsets.endOffset }) });
      offsets.unreadable();
      checks.producers.unsure();
      checks.transactions.unsure();
    }
  }
  checks.transactions.endSegment();
  options.advanced(sizeInBytes - from);
  offsetIndex?.end(sizeInBytes, isWhole);
  timeIndex?.end({ isWhole, isComplete: options.isComplete });
  return { batches, records, sizeInBytes };
}

function verifyBatch({ info, crcValid, bytes }: FoundBatch, checks: SegmentChecks, { tell, tellEpochs }: SegmentOptions): void {
  const { offsets, epochs, offsetIndex, timeIndex } = checks;
  if (!crcValid) {
    tell({ position: info.position, offset: info.baseOffset, reason: "CRC-32C does not match the batch" });
    // neither its offsets nor anything else in its header can be trusted
    offsets.unreadable();
    checks.producers.unsure();
    checks.transactions.unsure();
  } else {
    const faults = offsets.batch(info);
    for (const fault of faults) tell(fault);
    if (faults.length > 0) checks.producers.unsure();
  }
  offsetIndex?.batch(info, crcValid);
  timeIndex?.batch(info, crcValid);
  if (!crcValid) return;
  const header = headerFault(info);
  if (header !== null) tell({ position: info.position, offset: info.baseOffset, reason: header });
  const epoch = epochs.batch(info);
  if (epoch !== null) tell(epoch);
  const compared = epochs.compare(info);
  if (compared !== null) tellEpochs(compared);
  const marker = info.isControl && bytes !== null ? readEndMarker(bytes, { ...info, position: 0 }) : null;
  checks.producers.batch(info, marker);
  checks.transactions.batch(info, marker);
}

/** What a broker would not have written though the CRC is right. */
function headerFault(batch: BatchInfo): string | null {
  const { producerId, producerEpoch, baseSequence, isTransactional, isControl } = batch;
  if (batch.codec === null) return "the batch names an unknown compression codec";
  if (producerId < -1) return `the batch has producer id ${producerId}`;
  if (producerId >= 0 && (producerEpoch < 0 || (baseSequence < 0 && !isControl)))
    return `the batch of producer ${producerId} has epoch ${producerEpoch} and sequence ${baseSequence}`;
  if (isTransactional && producerId < 0) return "the batch is part of a transaction, but has no producer id";
  if (batch.maxTimestampMs < -1) return `the batch has timestamp ${batch.maxTimestampMs}`;
  return null;
}

async function verifyRecords(file: File, { info, bytes }: FoundBatch, tell: (fault: Fault) => void): Promise<void> {
  const { position, baseOffset, maxTimestampMs } = info;
  try {
    for (const { offset, timestampMs } of recordsOf(bytes ?? (await readLargeBatch(file, info)))) {
      if (timestampMs > maxTimestampMs)
        return tell({
          position,
          offset,
          reason: `the record has timestamp ${timestampMs}, the largest of its batch is said to be ${maxTimestampMs}`,
        });
    }
  } catch (error) {
    if (!(error instanceof MalformedFrame)) throw error;
    tell({ position, offset: baseOffset, reason: `the batch's records cannot be read: ${error.message}` });
  }
}
