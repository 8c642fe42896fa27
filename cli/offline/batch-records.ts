import type { File } from "../../broker/disk-format.ts";
import type { BatchInfo } from "../../protocol/records/batch-header.ts";
import { decompressRecords } from "../../protocol/records/compression.ts";
import { decodeBatch } from "../../protocol/records/decode-batch.ts";
import type { DecodedRecord } from "../../protocol/records/record.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";

/** Larger batches, and those that decompress to more, are not decoded: memory stays bounded whatever the file contains. */
const decodedBatchBytesMax = 64 * 1024 * 1024;

/** The records of a batch whose CRC was checked. Throws MalformedFrame. */
export function recordsOf(bytes: Buffer): Generator<DecodedRecord, void, undefined> {
  return decodeBatch(bytes, 0, { decompress: decompressRecords, decompressedBytesMax: decodedBatchBytesMax, checkCrc: false });
}

/** The bytes of a batch that `scanSegment` had no room for. Throws MalformedFrame when it is too large. */
export async function readLargeBatch(file: File, { position, sizeInBytes }: BatchInfo): Promise<Buffer> {
  if (sizeInBytes > decodedBatchBytesMax) throw new MalformedFrame(`a batch of ${sizeInBytes} bytes is too large to look into`);
  const bytes = Buffer.allocUnsafe(sizeInBytes);
  if ((await file.read(bytes, 0, bytes.length, position)) < bytes.length) throw new MalformedFrame("the file is shorter than it was");
  return bytes;
}
