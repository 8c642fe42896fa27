import { invariant } from "../../../protocol/base/invariant.ts";
import { readInt64, writeInt64 } from "../../../protocol/records/batch-header.ts";

/** The batch that ends with `offset` starts at `position` in the segment. */
export interface OffsetEntry {
  readonly offset: number;
  readonly position: number;
}

/** Up to some later point of the segment no record is newer than `timestampMs`; the first batch with that timestamp ends with `offset`. */
export interface TimeEntry {
  readonly timestampMs: number;
  readonly offset: number;
}

/**
 * How an index's entries lie in the file. Keys rise strictly from entry to entry, and so does `secondary`. Offsets are relative to the
 * segment's base offset.
 */
export interface IndexFormat<Entry> {
  readonly entryBytes: number;
  keyAt(bytes: Buffer, at: number, baseOffset: number): number;
  secondaryAt(bytes: Buffer, at: number, baseOffset: number): number;
  read(bytes: Buffer, at: number, baseOffset: number): Entry;
  write(bytes: Buffer, at: number, entry: Entry, baseOffset: number): void;
}

export const relativeOffsetMax = 2 ** 31 - 1;

function relative(offset: number, baseOffset: number): number {
  const delta = offset - baseOffset;
  invariant(delta >= 0 && delta <= relativeOffsetMax, "an index holds offsets of its segment", () => ({ offset, baseOffset }));
  return delta;
}

/** `.index`: relative offset int32, position int32. */
export const offsetIndexFormat: IndexFormat<OffsetEntry> = {
  entryBytes: 8,
  keyAt: (bytes, at, baseOffset) => baseOffset + bytes.readInt32BE(at),
  secondaryAt: (bytes, at) => bytes.readInt32BE(at + 4),
  read: (bytes, at, baseOffset) => ({ offset: baseOffset + bytes.readInt32BE(at), position: bytes.readInt32BE(at + 4) }),
  write: (bytes, at, entry, baseOffset) => {
    bytes.writeInt32BE(relative(entry.offset, baseOffset), at);
    bytes.writeInt32BE(entry.position, at + 4);
  },
};

/** `.timeindex`: timestamp int64, relative offset int32. */
export const timeIndexFormat: IndexFormat<TimeEntry> = {
  entryBytes: 12,
  keyAt: (bytes, at) => readInt64(bytes, at),
  secondaryAt: (bytes, at, baseOffset) => baseOffset + bytes.readInt32BE(at + 8),
  read: (bytes, at, baseOffset) => ({ timestampMs: readInt64(bytes, at), offset: baseOffset + bytes.readInt32BE(at + 8) }),
  write: (bytes, at, entry, baseOffset) => {
    writeInt64(bytes, at, entry.timestampMs);
    bytes.writeInt32BE(relative(entry.offset, baseOffset), at + 8);
  },
};

/** Number of entries whose key is at most `key`: they come first. */
export function countAtMost<Entry>(format: IndexFormat<Entry>, bytes: Buffer, baseOffset: number, key: number): number {
  let [low, high] = [0, bytes.length / format.entryBytes];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (format.keyAt(bytes, middle * format.entryBytes, baseOffset) <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The last entry whose key is at most `key`, or null. */
export function floorEntry<Entry>(format: IndexFormat<Entry>, bytes: Buffer, baseOffset: number, key: number): Entry | null {
  const count = countAtMost(format, bytes, baseOffset, key);
  return count === 0 ? null : format.read(bytes, (count - 1) * format.entryBytes, baseOffset);
}

/**
 * Whether the bytes can be an index of this format: whole entries, keys and secondary values rising, within the segment. A preallocated
 * index's zeros do not pass.
 */
export function isSoundIndex<Entry>(format: IndexFormat<Entry>, bytes: Buffer, baseOffset: number, secondaryEnd: number): boolean {
  if (bytes.length % format.entryBytes !== 0) return false;
  let [key, secondary] = [-1, -1];
  for (let at = 0; at < bytes.length; at += format.entryBytes) {
    const [nextKey, nextSecondary] = [format.keyAt(bytes, at, baseOffset), format.secondaryAt(bytes, at, baseOffset)];
    if (nextKey <= key || nextSecondary <= secondary || nextSecondary >= secondaryEnd) return false;
    [key, secondary] = [nextKey, nextSecondary];
  }
  return bytes.length === 0 || secondary >= 0;
}

export function encodeEntries<Entry>(format: IndexFormat<Entry>, entries: readonly Entry[], baseOffset: number): Buffer {
  const bytes = Buffer.allocUnsafe(entries.length * format.entryBytes);
  entries.forEach((entry, i) => {
    format.write(bytes, i * format.entryBytes, entry, baseOffset);
  });
  return bytes;
}
