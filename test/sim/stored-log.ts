import { gunzipSync, zstdDecompressSync } from "node:zlib";
import type { MemoryDisk } from "../support/memory-files.ts";
import type { MemoryInode } from "../support/memory-nodes.ts";

/** What a partition's segment files hold, read by the format's description alone: nothing here is shared with the broker. */
export interface StoredLog {
  /** In the order of offsets, from `startOffset` on; all of them, except where compaction may have removed some. Without markers. */
  readonly records: readonly StoredRecord[];
  readonly startOffset: number;
  /** Exclusive. */
  readonly endOffset: number;
  readonly batches: readonly StoredBatch[];
  /** Why reading stopped before the end; null: it did not. */
  readonly damage: string | null;
}

export interface StoredRecord {
  readonly offset: number;
  readonly epoch: number;
  readonly key: string | null;
  /** For a tombstone, that of its first header. */
  readonly value: string;
}

export interface StoredBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly epoch: number;
  readonly checksum: number;
  readonly maxTimestampMs: number;
  readonly sizeInBytes: number;
  /** Of a batch that is part of a transaction, or ends one. */
  readonly transaction: StoredTransactionPart | null;
}

export interface StoredTransactionPart {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Null: records. */
  readonly marker: { readonly kind: "commit" | "abort"; readonly coordinatorEpoch: number } | null;
}

const headerBytes = 61;

/** Null: the broker has no such folder. `mayHaveGaps`: compaction may have run there; elsewhere, a gap is damage. */
export function readStoredLog(disk: MemoryDisk, folder: string, mayHaveGaps = false): StoredLog | null {
  if (disk.find(folder) === null) return null;
  const names = segmentNames(disk, folder);
  const records: StoredRecord[] = [];
  const batches: StoredBatch[] = [];
  const startOffset = names[0] === undefined ? 0 : Number.parseInt(names[0], 10);
  let endOffset = startOffset;
  let damage: string | null = null;
  for (const name of names) {
    if (damage !== null) break;
    const base = Number.parseInt(name, 10);
    if (base < endOffset || (base > endOffset && !mayHaveGaps)) {
      damage = `${name} follows offset ${endOffset - 1}`;
      break;
    }
    const segment = segmentIn(disk.file(`${folder}/${name}`), base, mayHaveGaps);
    for (const record of segment.records) records.push(record);
    for (const batch of segment.batches) batches.push(batch);
    endOffset = segment.next;
    if (segment.damage !== null) damage = `${name} at byte ${segment.position}: ${segment.damage}`;
  }
  return { records, startOffset, endOffset, batches, damage };
}

/** A compacted segment under its `.swap` name counts already, as it would after a crash: it replaces all in its range. */
function segmentNames(disk: MemoryDisk, folder: string): string[] {
  const all = [...disk.directory(folder).entries.keys()];
  const baseOf = (name: string) => Number.parseInt(name, 10);
  let names = all.filter((name) => /^\d{20}\.log$/.test(name));
  for (const swap of all.filter((name) => /^\d{20}\.log\.swap$/.test(name))) {
    const { next } = segmentIn(disk.file(`${folder}/${swap}`), baseOf(swap), true);
    names = [...names.filter((name) => baseOf(name) < baseOf(swap) || baseOf(name) >= next), swap];
  }
  return names.sort();
}

/** As far as it was read: later bytes are read from there, so checking a log that has grown costs only what is new. */
interface ReadSegment {
  readonly mayHaveGaps: boolean;
  readonly rewrites: number;
  readonly records: StoredRecord[];
  readonly batches: StoredBatch[];
  position: number;
  next: number;
  damage: string | null;
}

const segmentsRead = new WeakMap<MemoryInode, ReadSegment>();

function segmentIn(file: MemoryInode, baseOffset: number, mayHaveGaps: boolean): ReadSegment {
  const known = segmentsRead.get(file);
  const isOfUse = known !== undefined && known.rewrites === file.rewrites && known.mayHaveGaps === mayHaveGaps;
  const segment: ReadSegment = isOfUse
    ? known
    : { mayHaveGaps, rewrites: file.rewrites, records: [], batches: [], position: 0, next: baseOffset, damage: null };
  segmentsRead.set(file, segment);
  if (segment.position < file.size || !isOfUse) segment.damage = readOn(segment, file.content());
  return segment;
}

/** Why reading stopped before the end; null: it did not. */
function readOn(segment: ReadSegment, content: Buffer): string | null {
  const { mayHaveGaps } = segment;
  while (segment.position < content.length) {
    const { position, next } = segment;
    if (content.length - position < headerBytes) return "less than a header is left";
    const baseOffset = Number(content.readBigInt64BE(position));
    const sizeInBytes = 12 + content.readInt32BE(position + 8);
    const epoch = content.readInt32BE(position + 12);
    if (sizeInBytes < headerBytes || sizeInBytes > content.length - position) return "a batch is cut";
    if (content[position + 16] !== 2) return `magic ${content[position + 16]}`;
    const checksum = content.readUInt32BE(position + 17);
    if (checksum !== crc32c(content.subarray(position + 21, position + sizeInBytes))) return "CRC";
    if (baseOffset < next || (baseOffset > next && !mayHaveGaps)) return `offset ${baseOffset} where ${next} was due`;
    const lastDelta = content.readInt32BE(position + 23);
    const count = content.readInt32BE(position + 57);
    if (count > lastDelta + 1 || (count <= lastDelta && !mayHaveGaps)) return `${count} records up to delta ${lastDelta}`;
    const plain = unpacked(content.subarray(position + headerBytes, position + sizeInBytes), content.readInt16BE(position + 21) & 7);
    const found: StoredRecord[] = [];
    let due = Math.max(baseOffset, next);
    for (const { delta, key, value } of recordsIn(plain, count)) {
      const offset = baseOffset + delta;
      if (offset < due || delta > lastDelta || (offset > due && !mayHaveGaps)) return `a record at delta ${delta}`;
      found.push({ offset, epoch, key, value });
      due = offset + 1;
    }
    const attributes = content.readInt16BE(position + 21);
    if ((attributes & 0x20) === 0) segment.records.push(...found);
    const maxTimestampMs = Number(content.readBigInt64BE(position + 35));
    const lastOffset = baseOffset + lastDelta;
    segment.batches.push({
      baseOffset,
      lastOffset,
      epoch,
      checksum,
      maxTimestampMs,
      sizeInBytes,
      transaction: transactionAt(content, position, plain),
    });
    segment.next = lastOffset + 1;
    segment.position += sizeInBytes;
  }
  return null;
}

function transactionAt(content: Buffer, position: number, plain: Buffer): StoredTransactionPart | null {
  const attributes = content.readInt16BE(position + 21);
  if ((attributes & 0x10) === 0) return null;
  const producerId = Number(content.readBigInt64BE(position + 43));
  const producerEpoch = content.readInt16BE(position + 51);
  if ((attributes & 0x20) === 0 || content.readInt32BE(position + 57) !== 1) return { producerId, producerEpoch, marker: null };
  // a key of four bytes and a value of six, each after its length, and no headers
  const end = plain.length;
  const coordinatorEpoch = plain.readInt32BE(end - 5);
  return { producerId, producerEpoch, marker: { kind: plain.readInt16BE(end - 10) === 1 ? "commit" : "abort", coordinatorEpoch } };
}

function unpacked(bytes: Buffer, codec: number): Buffer {
  switch (bytes.length === 0 ? 0 : codec) {
    case 0:
      return bytes;
    case 1:
      return gunzipSync(bytes);
    case 4:
      return zstdDecompressSync(bytes);
    default:
      throw new Error(`codec ${codec}`);
  }
}

function recordsIn(bytes: Buffer, count: number): { readonly delta: number; readonly key: string | null; readonly value: string }[] {
  let at = 0;
  const varint = () => {
    let result = 0;
    let factor = 1;
    for (;;) {
      const byte = bytes[at++]!;
      result += (byte & 0x7f) * factor;
      if (byte < 0x80) return result % 2 === 0 ? result / 2 : -(result + 1) / 2;
      factor *= 128;
    }
  };
  const text = () => {
    const length = varint();
    if (length < 0) return null;
    at += length;
    return bytes.toString("utf8", at - length, at);
  };
  return Array.from({ length: count }, () => {
    const length = varint();
    const end = at + length;
    at++; // attributes
    varint(); // timestamp
    const delta = varint();
    const key = text();
    const value = text();
    const name = value === null && varint() > 0 ? [text(), text()][1] : null;
    at = end;
    return { delta, key, value: value ?? name ?? "" };
  });
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ crcTable[(crc ^ byte) & 0xff]!;
  return (crc ^ 0xffffffff) >>> 0;
}

/** `replication-offset-checkpoint`: the high watermark by `topic-partition`, as last written. */
export function readCheckpoint(disk: MemoryDisk, directory: string, name: string): ReadonlyMap<string, number> {
  const path = `${directory}/${name}`;
  if (disk.find(path) === null) return new Map();
  const [, , ...lines] = disk.file(path).content().toString("utf8").trim().split("\n");
  return new Map(
    lines.map((line) => {
      const [topic, partition, offset] = line.split(" ");
      return [`${topic}-${partition}`, Number(offset)];
    }),
  );
}
