import type { MemoryDisk } from "../support/memory-files.ts";

/** What a partition's segment files hold, read by the format's description alone: nothing here is shared with the broker. */
export interface StoredLog {
  /** By offset, from `startOffset` on. */
  readonly records: readonly StoredRecord[];
  readonly startOffset: number;
  readonly batches: readonly StoredBatch[];
  /** All segments, one after the other, up to where they stop making sense. */
  readonly bytes: Buffer;
  /** Why reading stopped before the end; null: it did not. */
  readonly damage: string | null;
}

export interface StoredRecord {
  readonly offset: number;
  readonly epoch: number;
  readonly value: string;
}

export interface StoredBatch {
  readonly baseOffset: number;
  readonly epoch: number;
  readonly checksum: number;
}

const headerBytes = 61;

/** Null: the broker has no such folder. */
export function readStoredLog(disk: MemoryDisk, folder: string): StoredLog | null {
  if (disk.find(folder) === null) return null;
  const names = [...disk.directory(folder).entries.keys()].filter((name) => /^\d{20}\.log$/.test(name)).sort();
  const records: StoredRecord[] = [];
  const batches: StoredBatch[] = [];
  const chunks: Buffer[] = [];
  const startOffset = names[0] === undefined ? 0 : Number.parseInt(names[0], 10);
  let damage: string | null = null;
  for (const name of names) {
    if (damage !== null) break;
    const content = disk.file(`${folder}/${name}`).content();
    const expected = startOffset + records.length;
    if (Number.parseInt(name, 10) !== expected) {
      damage = `${name} follows offset ${expected - 1}`;
      break;
    }
    const end = readSegment(content, expected, records, batches);
    chunks.push(Buffer.from(content.subarray(0, end.position)));
    if (end.damage !== null) damage = `${name} at byte ${end.position}: ${end.damage}`;
  }
  return { records, startOffset, batches, bytes: Buffer.concat(chunks), damage };
}

function readSegment(content: Buffer, firstOffset: number, records: StoredRecord[], batches: StoredBatch[]) {
  let position = 0;
  let next = firstOffset;
  while (position < content.length) {
    if (content.length - position < headerBytes) return { position, damage: "less than a header is left" };
    const baseOffset = Number(content.readBigInt64BE(position));
    const sizeBytes = 12 + content.readInt32BE(position + 8);
    const epoch = content.readInt32BE(position + 12);
    if (sizeBytes < headerBytes || sizeBytes > content.length - position) return { position, damage: "a batch is cut" };
    if (content[position + 16] !== 2) return { position, damage: `magic ${content[position + 16]}` };
    const checksum = content.readUInt32BE(position + 17);
    if (checksum !== crc32c(content.subarray(position + 21, position + sizeBytes))) return { position, damage: "CRC" };
    if (baseOffset !== next) return { position, damage: `offset ${baseOffset} where ${next} was due` };
    const lastDelta = content.readInt32BE(position + 23);
    const count = content.readInt32BE(position + 57);
    if (count !== lastDelta + 1) return { position, damage: `${count} records up to delta ${lastDelta}` };
    for (const value of valuesIn(content.subarray(position + headerBytes, position + sizeBytes), count))
      records.push({ offset: next++, epoch, value });
    batches.push({ baseOffset, epoch, checksum });
    position += sizeBytes;
  }
  return { position, damage: null };
}

function valuesIn(bytes: Buffer, count: number): string[] {
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
  const values: string[] = [];
  for (let index = 0; index < count; index++) {
    const length = varint();
    const end = at + length;
    at++; // attributes
    varint(); // timestamp
    if (varint() !== index) throw new Error("offset deltas are not dense");
    const keyBytes = varint();
    at += Math.max(keyBytes, 0);
    const valueBytes = varint();
    values.push(bytes.toString("utf8", at, at + Math.max(valueBytes, 0)));
    at = end;
  }
  return values;
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
