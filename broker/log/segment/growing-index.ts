import { invariant } from "../../../protocol/base/invariant.ts";
import type { FileSystem } from "../../runtime/files.ts";
import type { LogDirectory } from "../log-directory.ts";
import { floorEntry, type IndexFormat } from "./index-format.ts";
import { loadIndex } from "./load-index.ts";

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

  /** `synced`: what the file has is on the disk. */
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

  /** Writes what the file does not have; with `sync`, all of the file is on the disk then. Not to be called again before it resolved. */
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

  /** From here on only entries in memory are used. */
  distrustFile(): void {
    this.#isFileDistrusted = true;
  }

  /**
   * The last entry whose key is at most `key`, or null. Should the file be damaged: null, so that the search begins at the segment's start.
   */
  async floor(key: number, directory: LogDirectory): Promise<Entry | null> {
    const recent = this.#recent.subarray(0, this.#recentEntries * this.#format.entryBytes);
    const found = floorEntry(this.#format, recent, this.#baseOffset, key);
    if (found !== null || this.#recentFrom === 0 || this.#isFileDistrusted) return found;
    const earlier = await loadIndex(directory, this.#format, this.path, { baseOffset: this.#baseOffset, entries: this.#recentFrom });
    if (earlier !== null) return floorEntry(this.#format, earlier, this.#baseOffset, key);
    directory.logger.error({ path: this.path }, "index is damaged; it is rebuilt when its segment is closed");
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
