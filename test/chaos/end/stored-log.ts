import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { hashOf, idOf } from "../history/value.ts";
import { crc32c } from "./crc32c.ts";

export interface StoredRecord {
  readonly offset: number;
  readonly id: string;
  readonly hash: string;
}

/** One replica as its files have it. */
export interface StoredLog {
  readonly broker: number;
  readonly topic: string;
  readonly partition: number;
  readonly sizeBytes: number;
  readonly digest: string;
  readonly records: readonly StoredRecord[];
  /** What is wrong with the files, each a sentence. */
  readonly problems: readonly string[];
}

const batchHeaderBytes = 61;
const lengthEnd = 12;
const crcFrom = 21;
const codecMask = 7;

/** All replicas in a broker's data directory. Of topics for which `wantsRecords` is false only sizes and digests. */
export async function readStoredLogs(broker: number, directory: string, wantsRecords: (topic: string) => boolean): Promise<StoredLog[]> {
  const found: StoredLog[] = [];
  for (const name of (await readdir(directory)).sort()) {
    const match = /^(.+)-(\d+)$/.exec(name);
    if (match === null || /\.(deleted|stray|[0-9a-f-]+-delete|[0-9a-f-]+-future)$/.test(name)) continue;
    const [topic = "", partition] = [match[1], Number(match[2])];
    const files = (await readdir(join(directory, name))).filter((file) => file.endsWith(".log")).sort();
    const bytes = Buffer.concat(await Promise.all(files.map((file) => readFile(join(directory, name, file)))));
    const digest = createHash("sha1").update(bytes).digest("hex");
    const contents = wantsRecords(topic) ? parseSegments(bytes) : { records: [], problems: [] };
    found.push({ broker, topic, partition, sizeBytes: bytes.length, digest, ...contents });
  }
  return found;
}

/** Record batches of format 2 (Kafka's message format since 0.11), one after the other. */
export function parseSegments(bytes: Buffer): Pick<StoredLog, "records" | "problems"> {
  const [records, problems]: [StoredRecord[], string[]] = [[], []];
  let nextOffset: number | null = null;
  for (let at = 0; at < bytes.length; ) {
    const length = at + lengthEnd <= bytes.length ? bytes.readInt32BE(at + 8) + lengthEnd : Number.NaN;
    if (!(length >= batchHeaderBytes) || at + length > bytes.length) {
      problems.push(`at byte ${at} of ${bytes.length} there is no whole batch`);
      break;
    }
    const batch = bytes.subarray(at, at + length);
    const baseOffset = Number(batch.readBigInt64BE(0));
    if (nextOffset !== null && baseOffset !== nextOffset) problems.push(`offset ${baseOffset} follows ${nextOffset - 1}`);
    if (crc32c(batch.subarray(crcFrom)) !== batch.readUInt32BE(17))
      problems.push(`the batch at offset ${baseOffset} does not match its CRC`);
    else records.push(...parseBatch(batch, baseOffset));
    nextOffset = baseOffset + batch.readInt32BE(23) + 1;
    at += length;
  }
  return { records, problems };
}

function parseBatch(batch: Buffer, baseOffset: number): StoredRecord[] {
  const reader = new RecordReader(decompressed(batch.readInt16BE(crcFrom) & codecMask, batch.subarray(batchHeaderBytes)));
  return Array.from({ length: batch.readInt32BE(57) }, () => reader.record(baseOffset));
}

function decompressed(codec: number, bytes: Buffer): Buffer {
  switch (codec) {
    case 0:
      return bytes;
    case 1:
      return gunzipSync(bytes);
    case 4:
      return zstdDecompressSync(bytes);
    default:
      throw new Error(`no client of this test compresses with codec ${codec}`);
  }
}

class RecordReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  record(baseOffset: number): StoredRecord {
    const end = this.#varint() + this.#at;
    this.#at++; // attributes, of which there are none
    this.#varint(); // the timestamp; what matters of it fits into a number
    const offset = baseOffset + this.#varint();
    const keyLength = this.#varint();
    if (keyLength > 0) this.#at += keyLength;
    const valueLength = this.#varint();
    const value = this.#bytes.subarray(this.#at, this.#at + Math.max(0, valueLength));
    this.#at = end;
    return { offset, id: idOf(value.toString()), hash: hashOf(value) };
  }

  /** Zigzag: the lowest bit is the sign. */
  #varint(): number {
    let [value, factor] = [0, 1];
    for (;;) {
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      factor *= 128;
    }
  }
}
