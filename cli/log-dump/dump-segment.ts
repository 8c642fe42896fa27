import { crc32c } from "@node-rs/crc32";
import type { File } from "../../broker/runtime/files.ts";
import {
  type BatchInfo,
  batchHeaderBytes,
  batchSizeAt,
  crcCoversFrom,
  currentMagic,
  fieldAt,
  magicAt,
  readBatchInfo,
} from "../../protocol/records/batch-header.ts";
import { decompressRecords } from "../../protocol/records/compression.ts";
import { decodeBatch, readControlRecord } from "../../protocol/records/decode-batch.ts";
import type { DecodedRecord } from "../../protocol/records/record.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";
import { bytesAsJson } from "../consume/record-format.ts";
import { atPosition, type DumpItem, damage, fieldsAsText, timeText } from "./dump-item.ts";

export interface SegmentDumpOptions {
  /** The records of each batch too. */
  readonly records: boolean;
  /** Keys and values of the records, not only their sizes. */
  readonly values: boolean;
}

const windowBytes = 256 * 1024;
/** Records of larger batches, and of batches that unpack to more, are not shown: memory stays bounded whatever the file says. */
const decodedBatchBytesMax = 64 * 1024 * 1024;

/** The batches of a `.log` file. A batch with a wrong CRC is told and passed over; where no batch begins, the rest cannot be read. */
export async function* dumpSegment(file: File, { records, values }: SegmentDumpOptions): AsyncGenerator<DumpItem> {
  const fileBytes = await file.size();
  const header = Buffer.alloc(batchHeaderBytes);
  const totals = { batches: 0, records: 0, damaged: 0 };
  let previousLastOffset = -1;
  let at = 0;
  while (at < fileBytes) {
    const count = await file.read(header, 0, batchHeaderBytes, at);
    const fault = headerFault(header.subarray(0, count), fileBytes - at);
    const batch = fault === null ? readBatchInfo(header, 0) : null;
    if (batch === null) {
      totals.damaged++;
      yield damage(
        atPosition(at),
        `${fault ?? "offset, producer id or timestamp beyond 2^53"}; the ${fileBytes - at} bytes from here on are unreadable`,
      );
      break;
    }
    const crcValid = (await crcOf(file, at, batch.sizeInBytes)) === header.readUInt32BE(fieldAt.crc);
    yield batchItem(batch, at, crcValid);
    totals.batches++;
    totals.records += batch.recordsCount;
    const reason = crcValid ? orderFault(batch, previousLastOffset) : "CRC-32C does not match the batch";
    if (reason !== null) {
      totals.damaged++;
      yield damage(atPosition(at), reason);
    }
    if (records && crcValid) yield* dumpRecords(file, at, batch, values);
    previousLastOffset = batch.lastOffset;
    at += batch.sizeInBytes;
  }
  yield { kind: "summary", line: `${fieldsAsText(totals)}  bytes ${fileBytes}`, json: { ...totals, sizeInBytes: fileBytes } };
}

/** Why no batch begins here, or null. */
function headerFault(header: Buffer, available: number): string | null {
  if (header.every((byte) => byte === 0)) return "zeros, no batch";
  if (header.length < batchHeaderBytes) return `${header.length} bytes are too few for a batch`;
  const sizeInBytes = batchSizeAt(header, 0);
  if (magicAt(header, 0) !== currentMagic) return `message format ${magicAt(header, 0)}, only ${currentMagic} is known`;
  if (sizeInBytes < batchHeaderBytes) return `batch of ${sizeInBytes} bytes is shorter than its header`;
  if (sizeInBytes > available) return `batch of ${sizeInBytes} bytes with ${available} bytes left`;
  return null;
}

function orderFault({ baseOffset, lastOffset, recordsCount, codec }: BatchInfo, previousLastOffset: number): string | null {
  if (codec === null) return "unknown compression codec";
  if (baseOffset <= previousLastOffset) return `offset ${baseOffset} after ${previousLastOffset}`;
  if (recordsCount < 0 || lastOffset - baseOffset < recordsCount - 1)
    return `offsets ${baseOffset} to ${lastOffset} with ${recordsCount} records`;
  return null;
}

async function crcOf(file: File, at: number, sizeInBytes: number): Promise<number> {
  const window = Buffer.allocUnsafe(Math.min(windowBytes, sizeInBytes));
  const end = at + sizeInBytes;
  let crc = 0;
  for (let from = at + crcCoversFrom; from < end; ) {
    const count = await file.read(window, 0, Math.min(window.length, end - from), from);
    if (count === 0) return -1; // the file became shorter while we read it
    crc = crc32c(window.subarray(0, count), crc);
    from += count;
  }
  return crc;
}

function batchItem(batch: BatchInfo, position: number, crcValid: boolean): DumpItem {
  const { baseOffset, lastOffset, recordsCount, leaderEpoch, codec, sizeInBytes, producerId, producerEpoch, baseSequence } = batch;
  const flags = [...(batch.isTransactional ? ["transactional"] : []), ...(batch.isControl ? ["control"] : [])];
  const producer = producerId < 0 ? "-" : `${producerId}/${producerEpoch} from sequence ${baseSequence}`;
  const line = [
    `position ${position}  offsets ${baseOffset}-${lastOffset}  records ${recordsCount}  epoch ${leaderEpoch}  codec ${codec ?? "unknown"}`,
    `size ${sizeInBytes}  ${batch.timestampType} ${timeText(batch.baseTimestampMs)} to ${timeText(batch.maxTimestampMs)}`,
    `producer ${producer}  crc ${crcValid ? "ok" : "WRONG"}`,
    ...flags,
  ].join("  ");
  return { kind: "batch", line, json: { ...batch, position, crcValid } };
}

async function* dumpRecords(file: File, at: number, batch: BatchInfo, values: boolean): AsyncGenerator<DumpItem> {
  if (batch.sizeInBytes > decodedBatchBytesMax) {
    yield damage(atPosition(at), `batch of ${batch.sizeInBytes} bytes is too large to look into`);
    return;
  }
  const bytes = Buffer.allocUnsafe(batch.sizeInBytes);
  try {
    if ((await file.read(bytes, 0, bytes.length, at)) < bytes.length) throw new MalformedFrame("the file is shorter than it was");
    for (const record of decodeBatch(bytes, 0, { decompress: decompressRecords, decompressedBytesMax: decodedBatchBytesMax })) {
      yield recordItem(record, batch, values);
    }
  } catch (error) {
    if (!(error instanceof MalformedFrame)) throw error;
    yield damage(atPosition(at), `records: ${error.message}`);
  }
}

function recordItem(record: DecodedRecord, batch: BatchInfo, values: boolean): DumpItem {
  const { offset, timestampMs, key, value, headers } = record;
  const size = (bytes: Buffer | null) => (bytes === null ? null : bytes.length);
  const sizes = { keyBytes: size(key), valueBytes: size(value), headers: headers.length };
  const marker: Record<string, string> = batch.isControl ? { control: readControlRecord(record).kind } : {};
  const shown = values ? { key: bytesAsJson(key), value: bytesAsJson(value), headerValues: headersAsJson(record) } : {};
  const texts = values ? `  key ${JSON.stringify(shown.key)}  value ${JSON.stringify(shown.value)}` : "";
  const line = `  offset ${offset}  time ${timeText(timestampMs)}  ${fieldsAsText({ ...sizes, ...marker })}${texts}`;
  return { kind: "record", line, json: { offset, timestampMs, ...sizes, ...marker, ...shown } };
}

function headersAsJson({ headers }: DecodedRecord): unknown {
  return headers.map(({ key, value }) => ({ key, value: bytesAsJson(value) }));
}
