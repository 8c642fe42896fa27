import type { File } from "../../../broker/disk-format.ts";
import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import { readControlRecord } from "../../../protocol/records/decode-batch.ts";
import type { DecodedRecord } from "../../../protocol/records/record.ts";
import { MalformedFrame } from "../../../protocol/wire/reader.ts";
import { bytesAsJson } from "../../output/record-format.ts";
import { readLargeBatch, recordsOf } from "../batch-records.ts";
import { scanSegment } from "../scan-segment.ts";
import { atPosition, type DumpItem, damage, fieldsAsText, timeText } from "./dump-item.ts";
import { describeGroupRecord } from "./group-record.ts";

export interface SegmentDumpOptions {
  /** The records of each batch too. */
  readonly records: boolean;
  /** Keys and values of the records, not only their sizes. */
  readonly values: boolean;
  /** The contents of the records, decoded as records of `__consumer_offsets`. */
  readonly groups: boolean;
}

/** The batches of a `.log` file. A batch with a wrong CRC is reported and skipped; where no batch begins, the rest cannot be read. */
export async function* dumpSegment(file: File, { records, values, groups }: SegmentDumpOptions): AsyncGenerator<DumpItem> {
  const fileBytes = await file.size();
  const totals = { batches: 0, records: 0, damaged: 0 };
  let previousLastOffset = -1;
  for await (const { batches, end } of scanSegment(file, fileBytes)) {
    for (const { info, crcValid, bytes } of batches) {
      yield batchItem(info, crcValid);
      totals.batches++;
      totals.records += info.recordsCount;
      const reason = crcValid ? orderFault(info, previousLastOffset) : "CRC-32C does not match the batch";
      if (reason !== null) {
        totals.damaged++;
        yield damage(atPosition(info.position), reason);
      }
      if (records && crcValid) yield* dumpRecords(file, info, bytes, { values, groups });
      previousLastOffset = info.lastOffset;
    }
    if (end !== null) {
      totals.damaged++;
      yield damage(atPosition(end.position), end.reason);
    }
  }
  yield { kind: "summary", line: `${fieldsAsText(totals)}  bytes ${fileBytes}`, json: { ...totals, sizeInBytes: fileBytes } };
}

function orderFault({ baseOffset, lastOffset, recordsCount, codec }: BatchInfo, previousLastOffset: number): string | null {
  if (codec === null) return "unknown compression codec";
  if (baseOffset <= previousLastOffset) return `offset ${baseOffset} after ${previousLastOffset}`;
  if (recordsCount < 0 || lastOffset - baseOffset < recordsCount - 1)
    return `offsets ${baseOffset} to ${lastOffset} with ${recordsCount} records`;
  return null;
}

function batchItem(batch: BatchInfo, crcValid: boolean): DumpItem {
  const { position, baseOffset, lastOffset, recordsCount, leaderEpoch, codec, sizeInBytes, producerId, producerEpoch, baseSequence } =
    batch;
  const flags = [...(batch.isTransactional ? ["transactional"] : []), ...(batch.isControl ? ["control"] : [])];
  const producer = producerId < 0 ? "-" : `${producerId}/${producerEpoch} from sequence ${baseSequence}`;
  const line = [
    `position ${position}  offsets ${baseOffset}-${lastOffset}  records ${recordsCount}  epoch ${leaderEpoch}  codec ${codec ?? "unknown"}`,
    `size ${sizeInBytes}  ${batch.timestampType} ${timeText(batch.baseTimestampMs)} to ${timeText(batch.maxTimestampMs)}`,
    `producer ${producer}  crc ${crcValid ? "ok" : "WRONG"}`,
    ...flags,
  ].join("  ");
  return { kind: "batch", line, json: { ...batch, crcValid } };
}

type Shown = Pick<SegmentDumpOptions, "values" | "groups">;

async function* dumpRecords(file: File, batch: BatchInfo, bytes: Buffer | null, show: Shown): AsyncGenerator<DumpItem> {
  const where = atPosition(batch.position);
  try {
    for (const record of recordsOf(bytes ?? (await readLargeBatch(file, batch)))) yield recordItem(record, batch, show);
  } catch (error) {
    if (!(error instanceof MalformedFrame)) throw error;
    yield damage(where, `records: ${error.message}`);
  }
}

function recordItem(record: DecodedRecord, batch: BatchInfo, { values, groups }: Shown): DumpItem {
  const { offset, timestampMs, key, value, headers } = record;
  const size = (bytes: Buffer | null) => (bytes === null ? null : bytes.length);
  const sizes = { keyBytes: size(key), valueBytes: size(value), headers: headers.length };
  const marker = batch.isControl ? markerOf(record) : {};
  const shown = values ? { key: bytesAsJson(key), value: bytesAsJson(value), headerValues: headersAsJson(record) } : {};
  const said = groups && !batch.isControl ? describeGroupRecord(record) : {};
  const texts = values ? `  key ${JSON.stringify(shown.key)}  value ${JSON.stringify(shown.value)}` : "";
  const line = `  offset ${offset}  time ${timeText(timestampMs)}  ${fieldsAsText({ ...sizes, ...marker, ...said })}${texts}`;
  return { kind: "record", line, json: { offset, timestampMs, ...sizes, ...marker, ...said, ...shown } };
}

function markerOf(record: DecodedRecord): Record<string, string | number> {
  const control = readControlRecord(record);
  return control.kind === "other" ? { control: "other" } : { control: control.kind, coordinatorEpoch: control.coordinatorEpoch };
}

function headersAsJson({ headers }: DecodedRecord): unknown {
  return headers.map(({ key, value }) => ({ key, value: bytesAsJson(value) }));
}
