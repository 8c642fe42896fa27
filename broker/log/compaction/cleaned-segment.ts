import { invariant } from "../../../protocol/base/invariant.ts";
import { readBatchInfo } from "../../../protocol/records/batch-header.ts";
import type { File, FileSystem } from "../../runtime/files.ts";
import { type SegmentFileKind, segmentFileKinds } from "../files/file-names.ts";
import { type AbortedTransaction, abortedIndexFormat } from "../segment/aborted-index.ts";
import { GrowingIndex, type OffsetEntry, offsetIndexFormat, type TimeEntry, timeIndexFormat } from "../segment/index-file.ts";
import { segmentPath } from "../segment/segment.ts";
import { closingEntry, emptyLayout, type LayoutState, place } from "../segment/segment-layout.ts";
import type { Pace } from "./pace.ts";
import { CleaningFailed } from "./read-batches.ts";

const writeBytes = 256 * 1024;
/** Synced now and then, so that the last sync does not delay all others on the same disk. */
const syncBytes = 32 * 1024 * 1024;
const segmentBytesMax = 2 ** 31 - 1;
const unstoredEntriesMax = 512;

/** A segment being written under `.cleaned` names: what is left of a group of old segments. */
export class CleanedSegment {
  readonly baseOffset: number;
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #indexIntervalBytes: number;
  readonly #file: File;
  readonly #offsets: GrowingIndex<OffsetEntry>;
  readonly #times: GrowingIndex<TimeEntry>;
  readonly #aborted: GrowingIndex<AbortedTransaction>;
  #layout: LayoutState;
  #chunks: Buffer[] = [];
  #chunksBytes = 0;
  #written = 0;
  #unsynced = 0;

  private constructor(files: FileSystem, folder: string, baseOffset: number, file: File, indexIntervalBytes: number) {
    this.#files = files;
    this.#folder = folder;
    this.baseOffset = baseOffset;
    this.#file = file;
    this.#indexIntervalBytes = indexIntervalBytes;
    this.#layout = emptyLayout(baseOffset, 0);
    const path = (kind: "index" | "timeindex" | "txnindex") => cleanedPath(folder, baseOffset, kind);
    this.#offsets = new GrowingIndex(offsetIndexFormat, path("index"), baseOffset, { entries: 0, synced: false });
    this.#times = new GrowingIndex(timeIndexFormat, path("timeindex"), baseOffset, { entries: 0, synced: false });
    this.#aborted = new GrowingIndex(abortedIndexFormat, path("txnindex"), baseOffset, { entries: 0, synced: false });
  }

  static async create(files: FileSystem, folder: string, baseOffset: number, indexIntervalBytes: number): Promise<CleanedSegment> {
    // the last one even if it stays empty: in the swap, it takes the place of an old one
    for (const kind of ["index", "timeindex", "txnindex"] as const) {
      const index = await files.open(cleanedPath(folder, baseOffset, kind), "readwrite");
      await index.truncate(0).finally(() => index.close());
    }
    const file = await files.open(cleanedPath(folder, baseOffset, "log"), "readwrite");
    await file.truncate(0);
    return new CleanedSegment(files, folder, baseOffset, file, indexIntervalBytes);
  }

  get sizeInBytes(): number {
    return this.#layout.sizeInBytes;
  }

  /** Of its `.txnindex`. */
  get abortedBytes(): number {
    return this.#aborted.entries * abortedIndexFormat.entryBytes;
  }

  /** The marker that was appended last aborted it, and records of it are left. */
  noteAborted(aborted: AbortedTransaction): void {
    this.#aborted.append(aborted);
  }

  /** One batch or more. The bytes must not change until `finish`. */
  async append(bytes: Buffer, pace: Pace): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const batch = readBatchInfo(bytes, at);
      invariant(batch !== null, "only batches that were read are copied");
      const placed = place(this.#layout, batch, this.#indexIntervalBytes);
      this.#layout = placed.state;
      if (placed.offsetEntry !== null) this.#offsets.append(placed.offsetEntry);
      if (placed.timeEntry !== null) this.#times.append(placed.timeEntry);
      at += batch.sizeInBytes;
    }
    if (this.#layout.sizeInBytes > segmentBytesMax)
      throw new CleaningFailed(`${cleanedPath(this.#folder, this.baseOffset, "log")} would be larger than ${segmentBytesMax} bytes`);
    this.#chunks.push(bytes);
    this.#chunksBytes += bytes.length;
    if (this.#chunksBytes < writeBytes) return;
    const written = this.#chunksBytes;
    await this.#write();
    await pace.transferred(written);
  }

  /** All of it is on disk when this resolves, under its `.cleaned` names. */
  async finish(): Promise<void> {
    const files = this.#files;
    await this.#write();
    const closing = closingEntry(this.#layout);
    if (closing !== null) this.#times.append(closing);
    await this.#offsets.store(files, { sync: true });
    await this.#times.store(files, { sync: true });
    await this.#aborted.store(files, { sync: true });
    await this.#file.sync();
    await this.#file.close();
  }

  /** Abandons it; files that cannot be removed now are removed at the next start. */
  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    for (const kind of segmentFileKinds) await this.#files.remove(cleanedPath(this.#folder, this.baseOffset, kind)).catch(() => undefined);
  }

  async #write(): Promise<void> {
    const [chunks, bytes] = [this.#chunks, this.#chunksBytes];
    this.#chunks = [];
    this.#chunksBytes = 0;
    await this.#file.write(chunks, this.#written);
    this.#written += bytes;
    this.#unsynced += bytes;
    if (this.#unsynced >= syncBytes) {
      this.#unsynced = 0;
      await this.#file.sync();
    }
    if (this.#aborted.unstoredEntries > unstoredEntriesMax) await this.#aborted.store(this.#files, { sync: false });
    if (this.#offsets.unstoredEntries <= unstoredEntriesMax) return;
    await this.#offsets.store(this.#files, { sync: false });
    await this.#times.store(this.#files, { sync: false });
  }
}

function cleanedPath(folder: string, baseOffset: number, kind: SegmentFileKind): string {
  return `${segmentPath(folder, baseOffset, kind)}.cleaned`;
}
