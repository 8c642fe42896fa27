import { gunzipSync, zstdDecompressSync } from "node:zlib";
import type { MemoryDisk } from "../support/memory-files.ts";

/** What a partition's segment files hold, read by the format's description alone: nothing here is shared with the broker. */
export interface StoredLog {
  /** In the order of offsets, from `startOffset` on; all of them, but where compaction may have been. */
  readonly records: readonly StoredRecord[];
  readonly startOffset: number;
  /** Exclusive. */
  readonly endOffset: number;
  readonly batches: readonly StoredBatch[];
  /** All segments, one after the other, up to where they stop making sense. */
  readonly bytes: Buffer;
  /** Why reading stopped before the end; null: it did not. */
  readonly damage: string | null;
}

export interface StoredRecord {
  readonly offset: number;
  readonly epoch: number;
  readonly key: string | null;
  /** Of a tombstone, that of its first header. */
  readonly value: string;
}

export interface StoredBatch {
  readonly baseOffset: number;
  readonly epoch: number;
  readonly checksum: number;
  readonly maxTimestampMs: number;
  readonly sizeInBytes: number;
}

const headerBytes = 61;

/** Null: the broker has no such folder. `mayHaveGaps`: compaction may have been there; elsewhere, a gap is damage. */
export function readStoredLog(disk: MemoryDisk, folder: string, mayHaveGaps = false): StoredLog | null {
  if (disk.find(folder) === null) return null;
  const names = segmentNames(disk, folder);
  const records: StoredRecord[] = [];
  const batches: StoredBatch[] = [];
  const chunks: Buffer[] = [];
  const startOffset = names[0] === undefined ? 0 : Number.parseInt(names[0], 10);
  let endOffset = startOffset;
  let damage: string | null = null;
  for (const name of names) {
    if (damage !== null) break;
    const content = disk.file(`${folder}/${name}`).content();
    const base = Number.parseInt(name, 10);
    if (base < endOffset || (base > endOffset && !mayHaveGaps)) {
      damage = `${name} follows offset ${endOffset - 1}`;
      break;
    }
    const end = readSegment(content, { next: base, mayHaveGaps }, records, batches);
    endOffset = end.next;
    chunks.push(Buffer.from(content.subarray(0, end.position)));
    if (end.damage !== null) damage = `${name} at byte ${end.position}: ${end.damage}`;
  }
  return { records, startOffset, endOffset, batches, bytes: Buffer.concat(chunks), damage };
}

/** A compacted segment under its `.swap` name counts already, as it would after a crash: in the place of all in its range. */
function segmentNames(disk: MemoryDisk, folder: string): string[] {
  const all = [...disk.directory(folder).entries.keys()];
  const baseOf = (name: string) => Number.parseInt(name, 10);
  let names = all.filter((name) => /^\d{20}\.log$/.test(name));
  for (const swap of all.filter((name) => /^\d{20}\.log\.swap$/.test(name))) {
    const { next } = readSegment(disk.file(`${folder}/${swap}`).content(), { next: baseOf(swap), mayHaveGaps: true }, [], []);
    names = [...names.filter((name) => baseOf(name) < baseOf(swap) || baseOf(name) >= next), swap];
  }
  return names.sort();
}

function readSegment(
  content: Buffer,
  from: { readonly next: number; readonly mayHaveGaps: boolean },
  records: StoredRecord[],
  batches: StoredBatch[],
) {
  const { mayHaveGaps } = from;
  let position = 0;
  let { next } = from;
  while (position < content.length) {
    if (content.length - position < headerBytes) return { position, next, damage: "less than a header is left" };
    const baseOffset = Number(content.readBigInt64BE(position));
    const sizeBytes = 12 + content.readInt32BE(position + 8);
    const epoch = content.readInt32BE(position + 12);
    if (sizeBytes < headerBytes || sizeBytes > content.length - position) return { position, next, damage: "a batch is cut" };
    if (content[position + 16] !== 2) return { position, next, damage: `magic ${content[position + 16]}` };
    const checksum = content.readUInt32BE(position + 17);
    if (checksum !== crc32c(content.subarray(position + 21, position + sizeBytes))) return { position, next, damage: "CRC" };
    if (baseOffset < next || (baseOffset > next && !mayHaveGaps))
      return { position, next, damage: `offset ${baseOffset} where ${next} was due` };
    const lastDelta = content.readInt32BE(position + 23);
    const count = content.readInt32BE(position + 57);
    if (count > lastDelta + 1 || (count <= lastDelta && !mayHaveGaps))
      return { position, next, damage: `${count} records up to delta ${lastDelta}` };
    const plain = unpacked(content.subarray(position + headerBytes, position + sizeBytes), content.readInt16BE(position + 21) & 7);
    for (const { delta, key, value } of recordsIn(plain, count)) {
      const offset = baseOffset + delta;
      if (offset < next || delta > lastDelta || (offset > next && !mayHaveGaps))
        return { position, next, damage: `a record at delta ${delta}` };
      records.push({ offset, epoch, key, value });
      next = offset + 1;
    }
    next = baseOffset + lastDelta + 1;
    const maxTimestampMs = Number(content.readBigInt64BE(position + 35));
    batches.push({ baseOffset, epoch, checksum, maxTimestampMs, sizeInBytes: sizeBytes });
    position += sizeBytes;
  }
  return { position, next, damage: null };
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
export function readHighWatermarks(disk: MemoryDisk, directory: string): ReadonlyMap<string, number> {
  const path = `${directory}/replication-offset-checkpoint`;
  if (disk.find(path) === null) return new Map();
  const [, , ...lines] = disk.file(path).content().toString("utf8").trim().split("\n");
  return new Map(
    lines.map((line) => {
      const [topic, partition, offset] = line.split(" ");
      return [`${topic}-${partition}`, Number(offset)];
    }),
  );
}
