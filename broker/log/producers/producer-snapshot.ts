import { crc32c } from "@node-rs/crc32";
import { invariant } from "../../../protocol/base/invariant.ts";
import { readInt64, writeInt64 } from "../../../protocol/records/batch-header.ts";
import type { ProducerRow } from "../log-contract.ts";

/**
 * Kafka's snapshot file: version (int16), CRC-32C of what follows (uint32), number of rows (int32), the rows. Kafka writes one row per
 * producer, its last batch; we write one per remembered batch, oldest first, so that all of them are still known after a restart. A reader
 * that takes one row per producer takes the last, which is Kafka's.
 */
const version = 1;
const crcAt = 2;
const rowsCountAt = 6;
const rowsAt = 10;

const rowFieldAt = {
  producerId: 0,
  epoch: 8,
  lastSequence: 10,
  lastOffset: 14,
  offsetDelta: 22,
  timestampMs: 26,
  coordinatorEpoch: 34,
  transactionFirstOffset: 38,
} as const;
const rowBytes = 46;

/** `forEachRow` visits this many rows; there may be too many to hold them all in addition to the snapshot. */
export function encodeSnapshot(rowsCount: number, forEachRow: (visit: (row: ProducerRow) => void) => void): Buffer {
  const bytes = Buffer.allocUnsafe(rowsAt + rowsCount * rowBytes);
  bytes.writeInt16BE(version, 0);
  bytes.writeInt32BE(rowsCount, rowsCountAt);
  let at = rowsAt;
  forEachRow((row) => {
    writeRow(bytes, at, row);
    at += rowBytes;
  });
  invariant(at === bytes.length, "a snapshot has its rows", () => ({ rowsCount, at }));
  bytes.writeUInt32BE(crc32c(bytes.subarray(rowsCountAt)), crcAt);
  return bytes;
}

/** The rows, or why there are none. */
export function decodeSnapshot(bytes: Buffer): readonly ProducerRow[] | string {
  if (bytes.length < rowsAt) return `${bytes.length} bytes are too few for a snapshot`;
  if (bytes.readInt16BE(0) !== version) return `version ${bytes.readInt16BE(0)}, known is ${version}`;
  if (bytes.readUInt32BE(crcAt) !== crc32c(bytes.subarray(rowsCountAt))) return "CRC-32C does not match";
  const count = bytes.readInt32BE(rowsCountAt);
  if (bytes.length !== rowsAt + count * rowBytes) return `${bytes.length} bytes for ${count} rows`;
  const rows: ProducerRow[] = [];
  for (let i = 0; i < count; i++) {
    const row = readRow(bytes, rowsAt + i * rowBytes);
    if (!isPossible(row)) return `row ${i} cannot be: ${JSON.stringify(row)}`;
    rows.push(row);
  }
  return rows;
}

function writeRow(bytes: Buffer, at: number, row: ProducerRow): void {
  writeInt64(bytes, at + rowFieldAt.producerId, row.producerId);
  bytes.writeInt16BE(row.epoch, at + rowFieldAt.epoch);
  bytes.writeInt32BE(row.lastSequence, at + rowFieldAt.lastSequence);
  writeInt64(bytes, at + rowFieldAt.lastOffset, row.lastOffset);
  bytes.writeInt32BE(row.offsetDelta, at + rowFieldAt.offsetDelta);
  writeInt64(bytes, at + rowFieldAt.timestampMs, row.timestampMs);
  bytes.writeInt32BE(row.coordinatorEpoch, at + rowFieldAt.coordinatorEpoch);
  writeInt64(bytes, at + rowFieldAt.transactionFirstOffset, row.transactionFirstOffset);
}

function readRow(bytes: Buffer, at: number): ProducerRow {
  return {
    producerId: readInt64(bytes, at + rowFieldAt.producerId),
    epoch: bytes.readInt16BE(at + rowFieldAt.epoch),
    lastSequence: bytes.readInt32BE(at + rowFieldAt.lastSequence),
    lastOffset: readInt64(bytes, at + rowFieldAt.lastOffset),
    offsetDelta: bytes.readInt32BE(at + rowFieldAt.offsetDelta),
    timestampMs: readInt64(bytes, at + rowFieldAt.timestampMs),
    coordinatorEpoch: bytes.readInt32BE(at + rowFieldAt.coordinatorEpoch),
    transactionFirstOffset: readInt64(bytes, at + rowFieldAt.transactionFirstOffset),
  };
}

function isPossible({ producerId, lastSequence, lastOffset, offsetDelta, timestampMs, transactionFirstOffset }: ProducerRow): boolean {
  const exact = [producerId, lastOffset, timestampMs, transactionFirstOffset].every((value) => Number.isSafeInteger(value));
  return exact && producerId >= 0 && lastSequence >= -1 && lastOffset >= -1 && offsetDelta >= 0 && offsetDelta <= Math.max(lastOffset, 0);
}
