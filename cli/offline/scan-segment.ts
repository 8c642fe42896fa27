import { crc32c } from "@node-rs/crc32";
import type { File } from "../../broker/disk-format.ts";
import {
  type BatchInfo,
  batchHeaderBytes,
  batchSizeAt,
  crcCoversFrom,
  currentMagic,
  fieldAt,
  hasValidCrc,
  magicAt,
  readBatchInfo,
} from "../../protocol/records/batch-header.ts";

const windowBytesDefault = 1024 * 1024;

export interface FoundBatch {
  /** `position` is the one in the file. */
  readonly info: BatchInfo;
  readonly crcValid: boolean;
  /** All of its bytes, until the next part is asked for. Null: larger than what is read at a time. */
  readonly bytes: Buffer | null;
}

export interface ScannedPart {
  readonly batches: readonly FoundBatch[];
  /** Where no batch begins, so that nothing after it can be read, and why. */
  readonly end: { readonly position: number; readonly reason: string } | null;
}

/**
 * The batches of a `.log` file from its start, part by part, in bounded memory whatever the file contains. A batch with a wrong CRC does
 * not end it.
 */
export async function* scanSegment(file: File, fileBytes: number, windowBytes = windowBytesDefault): AsyncGenerator<ScannedPart> {
  const window = Buffer.allocUnsafe(Math.min(Math.max(windowBytes, batchHeaderBytes), fileBytes));
  for (let at = 0; at < fileBytes; ) {
    const wanted = Math.min(window.length, fileBytes - at);
    const count = await file.read(window, 0, wanted, at);
    const { batches, readTo, end, large } = batchesIn(window.subarray(0, count), at, fileBytes);
    if (large !== null) batches.push({ info: large, crcValid: await largeCrcIsValid(file, large, window), bytes: null });
    const short = end === null && count < wanted;
    yield { batches, end: short ? { position: readTo, reason: "the file became shorter while it was read" } : end };
    if (end !== null || short) return;
    at = large === null ? readTo : large.position + large.sizeInBytes;
  }
}

interface InWindow extends ScannedPart {
  readonly batches: FoundBatch[];
  readonly readTo: number;
  /** The next batch, when it is the first and the window is too small for it. */
  readonly large: BatchInfo | null;
}

function batchesIn(window: Buffer, windowStart: number, fileBytes: number): InWindow {
  const batches: FoundBatch[] = [];
  let within = 0;
  const readTo = () => windowStart + within;
  while (readTo() < fileBytes) {
    const available = fileBytes - readTo();
    const left = window.length - within;
    if (left < batchHeaderBytes && left < available) break;
    const found = headerAt(window.subarray(within, within + Math.min(left, batchHeaderBytes)), available);
    if (typeof found === "string") return { batches, readTo: readTo(), end: { position: readTo(), reason: found }, large: null };
    const info = { ...found, position: readTo() };
    if (found.sizeInBytes > left) return { batches, readTo: readTo(), end: null, large: within === 0 ? info : null };
    const bytes = window.subarray(within, within + found.sizeInBytes);
    batches.push({ info, crcValid: hasValidCrc(bytes, 0, bytes.length), bytes });
    within += found.sizeInBytes;
  }
  return { batches, readTo: readTo(), end: null, large: null };
}

/** The header, or why no batch begins here. `available`: bytes from here to the file's end. */
function headerAt(header: Buffer, available: number): BatchInfo | string {
  const rest = `the ${available} bytes from here on are unreadable`;
  if (header.every((byte) => byte === 0)) return `zeros, no batch; ${rest}`;
  if (header.length < batchHeaderBytes) return `${header.length} bytes are too few for a batch`;
  const sizeInBytes = batchSizeAt(header, 0);
  if (magicAt(header, 0) !== currentMagic) return `message format ${magicAt(header, 0)}, only ${currentMagic} is known; ${rest}`;
  if (sizeInBytes < batchHeaderBytes) return `batch of ${sizeInBytes} bytes is shorter than its header; ${rest}`;
  if (sizeInBytes > available) return `batch of ${sizeInBytes} bytes with ${available} bytes left`;
  return readBatchInfo(header, 0) ?? `offset, producer id or timestamp beyond 2^53; ${rest}`;
}

async function largeCrcIsValid(file: File, { position, sizeInBytes }: BatchInfo, window: Buffer): Promise<boolean> {
  const expected = window.readUInt32BE(fieldAt.crc);
  const end = position + sizeInBytes;
  let crc = 0;
  for (let from = position + crcCoversFrom; from < end; ) {
    const count = await file.read(window, 0, Math.min(window.length, end - from), from);
    if (count === 0) return false; // the file became shorter while we read it
    crc = crc32c(window.subarray(0, count), crc);
    from += count;
  }
  return crc === expected;
}
