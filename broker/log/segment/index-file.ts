import { invariant } from "../../../protocol/base/invariant.ts";
import { readInt64, writeInt64 } from "../../../protocol/records/batch-header.ts";
import { codeOf, type File, type FileSystem } from "../../runtime/files.ts";
import type { SegmentIo } from "./read-caches.ts";

/** The batch that ends with `offset` starts at `position` in the segment. */
export interface OffsetEntry {
  readonly offset: number;
  readonly position: number;
}

/**
 * Up to some later position in the segment no record is newer than `timestampMs`; the first batch with that timestamp ends with `offset`.
 */
export interface TimeEntry {
  readonly timestampMs: number;
  readonly offset: number;
}

/**
 * How an index's entries are stored in the file. Keys rise strictly from entry to entry, and so does `secondary`. Offsets are relative to
 * the segment's base offset.
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

export interface IndexExtent {
  readonly baseOffset: number;
  /** How many entries are wanted, or null for all in the file. */
  readonly entries: number | null;
  /** What secondary values (positions, offsets) must stay below. */
  readonly secondaryEnd?: number;
}

/** The first `entries` of an index file, from the cache where possible. Null when the file is missing, too short or damaged. */
export async function loadIndex<Entry>(
  io: Pick<SegmentIo, "openFiles" | "indexes">,
  format: IndexFormat<Entry>,
  path: string,
  { baseOffset, entries, secondaryEnd = Number.POSITIVE_INFINITY }: IndexExtent,
): Promise<Buffer | null> {
  const { indexes, openFiles } = io;
  const cached = indexes.get(path);
  const wantedBytes = entries === null ? null : entries * format.entryBytes;
  if (cached !== null && cached.length >= (wantedBytes ?? 0)) return wantedBytes === null ? cached : cached.subarray(0, wantedBytes);
  const { version } = indexes;
  const content = await openFiles
    .use(path, async (file) => {
      const size = wantedBytes ?? (await file.size());
      const bytes = Buffer.allocUnsafeSlow(size);
      return (await file.read(bytes, 0, size, 0)) === size ? bytes : null;
    })
    .catch((error: unknown) => {
      if (codeOf(error) === "ENOENT") return null;
      throw error;
    });
  if (content === null || !isSoundIndex(format, content, baseOffset, secondaryEnd)) return null;
  if (indexes.version === version) indexes.set(path, content);
  return content;
}

export interface IndexEnd<Entry> {
  readonly entries: number;
  readonly last: Entry | null;
}

/** How many entries an index file has, and the last of them; null when it is missing or its size is wrong. */
export async function indexEnd<Entry extends OffsetEntry | TimeEntry>(
  files: FileSystem,
  format: IndexFormat<Entry>,
  path: string,
  baseOffset: number,
): Promise<IndexEnd<Entry> | null> {
  let file: File;
  try {
    file = await files.open(path, "read");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
  try {
    const size = await file.size();
    if (size % format.entryBytes !== 0) return null;
    if (size === 0) return { entries: 0, last: null };
    const bytes = Buffer.alloc(format.entryBytes);
    await file.read(bytes, 0, bytes.length, size - bytes.length);
    const last = format.read(bytes, 0, baseOffset);
    return last.offset < baseOffset ? null : { entries: size / format.entryBytes, last };
  } finally {
    await file.close();
  }
}

/** Entries kept in memory at most, and how many of them stay when they were stored: 4096 offset entries are 16 MiB of log. */
const recentEntriesMax = 4096;
const recentEntriesKept = 1024;

interface StoredEntries {
  readonly entries: number;
  readonly synced: boolean;
}

/**
 * The index of the segment being written: all entries but the recent ones are in the file only. Entries reach the file now and then, since
 * an index that a crash cuts short is rebuilt with its segment.
 */
export class GrowingIndex<Entry> {
  readonly path: string;
  readonly #format: IndexFormat<Entry>;
  readonly #baseOffset: number;
  /** Entries in the file, durable or not. */
  #storedEntries: number;
  /** Entries before the recent ones. */
  #recentFrom: number;
  #recent: Buffer;
  #recentEntries = 0;
  #synced: boolean;
  #isFileDistrusted = false;

  /** `synced`: the file's contents are on disk. */
  constructor(format: IndexFormat<Entry>, path: string, baseOffset: number, { entries: storedEntries, synced }: StoredEntries) {
    this.#synced = synced;
    this.#format = format;
    this.path = path;
    this.#baseOffset = baseOffset;
    this.#storedEntries = storedEntries;
    this.#recentFrom = storedEntries;
    this.#recent = Buffer.allocUnsafe(16 * format.entryBytes);
  }

  get entries(): number {
    return this.#recentFrom + this.#recentEntries;
  }

  get unstoredEntries(): number {
    return this.entries - this.#storedEntries;
  }

  append(entry: Entry): void {
    const at = this.#recentEntries * this.#format.entryBytes;
    if (at === this.#recent.length) {
      const grown = Buffer.allocUnsafe(this.#recent.length * 2);
      this.#recent.copy(grown);
      this.#recent = grown;
    }
    this.#format.write(this.#recent, at, entry, this.#baseOffset);
    this.#recentEntries++;
  }

  /** Writes what the file does not have yet; with `sync`, all of the file is on disk then. Not to be called again before this resolves. */
  async store(files: FileSystem, { sync }: { readonly sync: boolean }): Promise<void> {
    const [from, to] = [this.#storedEntries, this.entries];
    if (from === to && (!sync || this.#synced)) return;
    const { entryBytes } = this.#format;
    const bytes = this.#recent.subarray((from - this.#recentFrom) * entryBytes, (to - this.#recentFrom) * entryBytes);
    const file = await files.open(this.path, "readwrite");
    try {
      await file.write([bytes], from * entryBytes);
      if (sync) await file.sync();
    } finally {
      await file.close();
    }
    invariant(this.#storedEntries === from, "an index is stored by one at a time");
    this.#storedEntries = to;
    this.#synced = sync;
    this.#forgetOldest();
  }

  /** The entries in memory from that key on; and how many come before all of those in memory, in the file. */
  recentFrom(key: number): { readonly inFile: number; readonly recent: readonly Entry[] } {
    const { entryBytes } = this.#format;
    const recent: Entry[] = [];
    for (let i = this.#recentEntries - 1; i >= 0 && this.#format.keyAt(this.#recent, i * entryBytes, this.#baseOffset) >= key; i--)
      recent.push(this.#format.read(this.#recent, i * entryBytes, this.#baseOffset));
    return { inFile: this.#recentFrom, recent: recent.reverse() };
  }

  /** From here on only entries in memory are used. */
  distrustFile(): void {
    this.#isFileDistrusted = true;
  }

  /**
   * The last entry whose key is at most `key`, or null. Should the file be damaged: null, so that the search begins at the segment's start.
   */
  async floor(key: number, io: SegmentIo): Promise<Entry | null> {
    const recent = this.#recent.subarray(0, this.#recentEntries * this.#format.entryBytes);
    const found = floorEntry(this.#format, recent, this.#baseOffset, key);
    if (found !== null || this.#recentFrom === 0 || this.#isFileDistrusted) return found;
    const earlier = await loadIndex(io, this.#format, this.path, { baseOffset: this.#baseOffset, entries: this.#recentFrom });
    if (earlier !== null) return floorEntry(this.#format, earlier, this.#baseOffset, key);
    io.logger.error({ path: this.path }, "index is damaged; it is rebuilt when its segment is closed");
    return null;
  }

  #forgetOldest(): void {
    if (this.#recentEntries <= recentEntriesMax) return;
    const forgotten = this.#storedEntries - recentEntriesKept - this.#recentFrom;
    if (forgotten <= 0) return;
    this.#recent = Buffer.from(this.#recent.subarray(forgotten * this.#format.entryBytes, this.#recentEntries * this.#format.entryBytes));
    this.#recentFrom += forgotten;
    this.#recentEntries -= forgotten;
  }
}
