import { MalformedFrame } from "../wire/reader.ts";
import { type BatchInfo, hasValidCrc } from "./batch-header.ts";
import { decodeBatch, readControlRecord } from "./decode-batch.ts";
import { encodeBatch } from "./encode-batch.ts";

/** What ends a transaction in one partition: the only record of a control batch of the transaction's producer. */
export interface EndMarker {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Leader epoch of the transaction coordinator that decided. */
  readonly coordinatorEpoch: number;
  readonly kind: "commit" | "abort";
}

/** Types of control records, in their key after its version. */
const typeOf = { abort: 0, commit: 1 } as const;
const keyVersion = 0;
const valueVersion = 0;

/** A batch that is larger is no end of a transaction: its record takes less than 30 bytes. */
export const markerBatchBytesMax = 1024;

/** The control batch as a broker appends it, without its offset. */
export function encodeEndMarker({ producerId, producerEpoch, coordinatorEpoch, kind }: EndMarker, timestampMs: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeInt16BE(keyVersion, 0);
  key.writeInt16BE(typeOf[kind], 2);
  const value = Buffer.alloc(6);
  value.writeInt16BE(valueVersion, 0);
  value.writeInt32BE(coordinatorEpoch, 2);
  return encodeBatch([{ key, value, timestampMs }], { producerId, producerEpoch, isTransactional: true, isControl: true });
}

/**
 * The end of a transaction in the control batch that `bytes` holds at `batch.position`. Null: it is another control batch, one that
 * compaction emptied, or not what its CRC says.
 */
export function readEndMarker(bytes: Buffer, batch: BatchInfo): EndMarker | null {
  const { position, sizeInBytes, producerId, producerEpoch, recordsCount, isControl, codec } = batch;
  if (!isControl || recordsCount !== 1 || codec !== "none" || producerId < 0 || sizeInBytes > markerBatchBytesMax) return null;
  if (position + sizeInBytes > bytes.length || !hasValidCrc(bytes, position, sizeInBytes)) return null;
  try {
    const [record] = decodeBatch(bytes, position, { checkCrc: false });
    const control = record === undefined ? null : readControlRecord(record);
    if (control === null || control.kind === "other") return null;
    return { producerId, producerEpoch, coordinatorEpoch: control.coordinatorEpoch, kind: control.kind };
  } catch (error) {
    if (error instanceof MalformedFrame) return null;
    throw error;
  }
}
