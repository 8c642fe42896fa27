import { invariant } from "../../../protocol/base/invariant.ts";
import { batchHeaderBytes, noTimestamp } from "../../../protocol/records/batch-header.ts";
import type { File } from "../../runtime/files.ts";
import { type SegmentFileKind, segmentFileName } from "../files/file-names.ts";
import { DamagedBatch } from "../log-contract.ts";
import { countAborted } from "./aborted-files.ts";
import { type AbortedTransaction, abortedIndexFormat, firstEntryFrom, visitEntries } from "./aborted-index.ts";
import { headerIn, walkHeaders } from "./batch-walk.ts";
import { Bookmarks } from "./bookmarks.ts";
import { CheckedRanges } from "./checked-ranges.ts";
import type { Growing, IndexBytes } from "./growing.ts";
import {
  floorEntry,
  type IndexFormat,
  indexEnd,
  loadIndex,
  type OffsetEntry,
  offsetIndexFormat,
  relativeOffsetMax,
  type TimeEntry,
  timeIndexFormat,
} from "./index-file.ts";
import type { SegmentIo } from "./read-caches.ts";
import { rebuildIndexes, type SegmentDamage } from "./rebuild-indexes.ts";

type MutableGrowing = { -readonly [Field in keyof Growing]: Growing[Field] };

/** One file of batches and its two indexes. All but the log's last are sealed: they no longer change, and are read only when needed. */
export class Segment {
  readonly baseOffset: number;
  readonly folder: string;
  readonly logPath: string;
  /** Of the log's file. */
  readonly checked: CheckedRanges;
  /** Where readers left off. */
  readonly bookmarks = new Bookmarks();
  #sizeInBytes: number;
  #growing: MutableGrowing | null;
  #largest: TimeEntry | null | undefined;
  #rebuilding: Promise<SegmentDamage | null> | null = null;
  #proving: Promise<void> | null = null;
  #hasProvenIndexes = false;
  #isRetired = false;
  /** Entries in its `.txnindex`; null: the file was not checked yet. */
  #abortedCount: number | null = null;
  #rebuildingAborted: Promise<void> | null = null;
  /** The sizes that its index files must have once it is sealed; null, or -1: not known. */
  #indexBytes: IndexBytes | null = null;

  constructor(folder: string, baseOffset: number, sizeInBytes: number, growing: Growing | null = null) {
    this.folder = folder;
    this.baseOffset = baseOffset;
    this.logPath = segmentPath(folder, baseOffset, "log");
    this.checked = new CheckedRanges(sizeInBytes);
    this.#sizeInBytes = sizeInBytes;
    this.#growing = growing;
  }

  /** Bytes written. */
  get sizeInBytes(): number {
    return this.#sizeInBytes;
  }

  get growing(): Growing | null {
    return this.#growing;
  }

  /** The last segment's parts. */
  get writable(): Growing {
    invariant(this.#growing !== null, "only the last segment is written", () => ({ path: this.logPath }));
    return this.#growing;
  }

  /** That many more bytes are written; its newest record then. */
  grown(bytes: number, { maxTimestampMs, offsetOfMaxTimestamp }: Pick<Growing, "maxTimestampMs" | "offsetOfMaxTimestamp">): void {
    invariant(this.#growing !== null && bytes > 0, "only the last segment grows", () => ({ path: this.logPath, bytes }));
    this.#sizeInBytes += bytes;
    this.#growing.maxTimestampMs = maxTimestampMs;
    this.#growing.offsetOfMaxTimestamp = offsetOfMaxTimestamp;
  }

  /** Its indexes are complete in their files. Returns the log's file, still open, to be synced and closed. */
  seal(): File {
    const { file, offsets, times, aborted, maxTimestampMs, offsetOfMaxTimestamp } = this.writable;
    const unstored = offsets.unstoredEntries + times.unstoredEntries + aborted.unstoredEntries;
    invariant(unstored === 0, "a sealed segment's indexes are stored");
    this.#abortedCount = aborted.entries;
    this.#largest = maxTimestampMs === noTimestamp ? null : { timestampMs: maxTimestampMs, offset: offsetOfMaxTimestamp };
    this.#indexBytes = this.indexBytes;
    this.#growing = null;
    return file;
  }

  /** How large its index files are when everything is stored in them; null: not known. */
  get indexBytes(): IndexBytes | null {
    if (this.#growing === null) return this.#indexBytes;
    const { offsets, times, aborted } = this.#growing;
    return {
      index: offsets.entries * offsetIndexFormat.entryBytes,
      timeindex: times.entries * timeIndexFormat.entryBytes,
      txnindex: aborted.entries * abortedIndexFormat.entryBytes,
    };
  }

  /** An index file of another size is not the one that was closed, though it may look sound. */
  expectIndexBytes(bytes: IndexBytes): void {
    this.#indexBytes = bytes;
  }

  #isAsClosed(kind: keyof IndexBytes, bytes: number): boolean {
    return this.#indexBytes === null || this.#indexBytes[kind] < 0 || this.#indexBytes[kind] === bytes;
  }

  /** Runs `work` with the log's file open for reading. */
  use<T>(io: SegmentIo, work: (file: File) => Promise<T>): Promise<T> {
    return io.openFiles.use(this.logPath, work);
  }

  /** The index entry of a batch that ends at or before `offset`, not far from it; null: search from the segment's start. */
  async floor(offset: number, io: SegmentIo): Promise<OffsetEntry | null> {
    if (this.#growing !== null) return this.#growing.offsets.floor(offset, io);
    return floorEntry(offsetIndexFormat, await this.#sealedIndex(offsetIndexFormat, "index", io), this.baseOffset, offset);
  }

  /**
   * A batch starts there, at or before the one with `offset`, not far from it. The batch was checked: a corrupted index may lead to any
   * batch, from which everything that follows looks sound, and records would be skipped, or kept where a log is cut.
   */
  async floorPosition(offset: number, io: SegmentIo): Promise<number> {
    const position = await this.#soundPosition(offset, io);
    if (position !== null) return position;
    await this.proveIndexes(io);
    // still null: damaged batches keep the indexes from being rebuilt
    return (await this.#soundPosition(offset, io)) ?? 0;
  }

  /** Null: the index leads to a different batch than it says. */
  async #soundPosition(offset: number, io: SegmentIo): Promise<number | null> {
    const floor = await this.floor(offset, io);
    if (floor === null) return 0;
    return (await this.#hasBatchAt(floor, io)) ? floor.position : null;
  }

  async #hasBatchAt({ offset, position }: OffsetEntry, io: SegmentIo): Promise<boolean> {
    const header = Buffer.allocUnsafe(batchHeaderBytes);
    const count = await this.use(io, (file) => file.read(header, 0, header.length, position));
    if (count < header.length) return false;
    const batch = headerIn(header, 0, this.sizeInBytes - position);
    return typeof batch !== "string" && batch.lastOffset === offset;
  }

  /** All records of this segment before that entry's offset are older than `timestampMs`; null: search from the segment's start. */
  async timeFloor(timestampMs: number, io: SegmentIo): Promise<TimeEntry | null> {
    if (this.#growing !== null) return this.#growing.times.floor(timestampMs, io);
    return floorEntry(timeIndexFormat, await this.#sealedIndex(timeIndexFormat, "timeindex", io), this.baseOffset, timestampMs);
  }

  /** Largest timestamp in the segment, and the last offset of the first batch that has it; null when no record has a timestamp. */
  async largestTimestamp(io: SegmentIo): Promise<TimeEntry | null> {
    if (this.#growing !== null) {
      const { maxTimestampMs, offsetOfMaxTimestamp } = this.#growing;
      return maxTimestampMs === noTimestamp ? null : { timestampMs: maxTimestampMs, offset: offsetOfMaxTimestamp };
    }
    if (this.#largest !== undefined) return this.#largest;
    // before anything is read: what is read before they are verified is not
    const isProven = this.#hasProvenIndexes;
    // sealing appended an entry for the largest timestamp, so it is the index's last
    const end = await indexEnd(io.files, timeIndexFormat, segmentPath(this.folder, this.baseOffset, "timeindex"), this.baseOffset);
    const isWhole = end !== null && this.#isAsClosed("timeindex", end.entries * timeIndexFormat.entryBytes);
    if (isWhole && (isProven || (await endsWithLargest(io, this, end.last)))) {
      this.#largest = end.last;
      return end.last;
    }
    await this.proveIndexes(io);
    const content = await this.#sealedIndex(timeIndexFormat, "timeindex", io);
    const at = content.length - timeIndexFormat.entryBytes;
    this.#largest = at < 0 ? null : timeIndexFormat.read(content, at, this.baseOffset);
    return this.#largest;
  }

  /**
   * From here on its indexes cannot be why a batch is not where it should be: they were rebuilt from the batches, or are not used. The
   * first call does it.
   */
  async proveIndexes(io: SegmentIo): Promise<void> {
    this.#proving ??= this.#prove(io).then(() => {
      this.#hasProvenIndexes = true;
    });
    await this.#proving;
  }

  /**
   * To be called before an index is read. While the indexes are being verified, what one says must still be checked: it is the old index's.
   */
  get hasProvenIndexes(): boolean {
    return this.#hasProvenIndexes;
  }

  async #prove(io: SegmentIo): Promise<void> {
    if (this.#growing !== null) {
      this.#growing.offsets.distrustFile();
      this.#growing.times.distrustFile();
      return;
    }
    io.logger.warn({ path: this.logPath }, "no batch where the index says, or a damaged one: rebuilding the indexes from the batches");
    this.#largest = undefined;
    await this.#rebuild(io);
  }

  /** The reason when the batches are damaged: then the indexes stay as they are. */
  #rebuild(io: SegmentIo): Promise<SegmentDamage | null> {
    if (this.#isRetired) return Promise.reject(new Error(`${this.logPath} left its log`));
    this.#rebuilding ??= this.#replaceIndexes(io).finally(() => {
      this.#rebuilding = null;
    });
    return this.#rebuilding;
  }

  /** What counts as its age for retention: its largest timestamp or, where no record has one, when its file was last written. */
  async newestMs(io: SegmentIo): Promise<number> {
    return (await this.largestTimestamp(io))?.timestampMs ?? io.files.modifiedMs(this.logPath);
  }

  /** Its file is about to change. */
  forgetRead(): void {
    this.checked.forget();
    this.bookmarks.forget();
  }

  /** It left its log: a running read finds its open files, but must not rebuild its indexes. */
  retire(): void {
    this.#isRetired = true;
  }

  async #replaceIndexes(io: SegmentIo): Promise<SegmentDamage | null> {
    const damage = await rebuildIndexes(io, this);
    if (damage === null) this.#indexBytes = { index: -1, timeindex: -1, txnindex: this.#indexBytes?.txnindex ?? -1 };
    return damage;
  }

  /**
   * Visits the transactions that markers in this segment aborted, from `offset` on, in the order of their markers, until `visit` returns
   * false; its result is the last visit's. Throws AbortedIndexDamaged.
   */
  async visitAborted(offset: number, io: SegmentIo, visit: (entry: AbortedTransaction) => boolean): Promise<boolean> {
    const { baseOffset } = this;
    // of the active one, in the caller's turn: entries leave the memory once they are in the file
    const growing = this.#growing?.aborted.recentFrom(offset) ?? null;
    const entries = growing?.inFile ?? (await this.#abortedEntries(io));
    const isOn =
      entries === 0 ||
      (await io.openFiles.use(segmentPath(this.folder, baseOffset, "txnindex"), async (file) =>
        visitEntries(file, { from: await firstEntryFrom(file, entries, offset), entries, baseOffset }, visit),
      ));
    return isOn && (growing?.recent ?? []).every(visit);
  }

  /** No marker in it aborted a transaction, as far as is known without a look at the disk. */
  get isWithoutAborted(): boolean {
    if (this.#growing !== null) return this.#growing.aborted.entries === 0;
    return this.#abortedCount === 0 || this.#indexBytes?.txnindex === 0;
  }

  async #abortedEntries(io: SegmentIo): Promise<number> {
    if (this.#abortedCount !== null) return this.#abortedCount;
    const count = await countAborted(io, this, this.#indexBytes?.txnindex ?? -1);
    this.#abortedCount = count;
    // from here on its loss is noticed
    this.#indexBytes = { index: -1, timeindex: -1, ...this.#indexBytes, txnindex: count * abortedIndexFormat.entryBytes };
    return count;
  }

  /** Replaces its `.txnindex` by what `work` writes, once for all who find it damaged. */
  rebuildAborted(work: () => Promise<void>): Promise<void> {
    if (this.#isRetired) return Promise.reject(new Error(`${this.logPath} left its log`));
    this.#rebuildingAborted ??= work().finally(() => {
      this.#rebuildingAborted = null;
      this.#abortedCount = null;
      if (this.#indexBytes !== null) this.#indexBytes = { ...this.#indexBytes, txnindex: -1 };
    });
    return this.#rebuildingAborted;
  }

  /** Resolves once none of its files is being replaced. */
  async settled(): Promise<void> {
    await this.#rebuildingAborted?.catch(() => undefined);
    await this.#rebuilding?.catch(() => undefined);
  }

  /** A sealed segment's whole index; rebuilt from the segment when it is missing or damaged. */
  async #sealedIndex<Entry>(format: IndexFormat<Entry>, kind: "index" | "timeindex", io: SegmentIo): Promise<Buffer> {
    const path = segmentPath(this.folder, this.baseOffset, kind);
    const secondaryEnd = kind === "index" ? this.sizeInBytes : this.baseOffset + relativeOffsetMax + 1;
    const extent = { baseOffset: this.baseOffset, entries: null, secondaryEnd };
    const content = await loadIndex(io, format, path, extent);
    if (content !== null && this.#isAsClosed(kind, content.length)) return content;
    io.logger.warn({ path }, "index is missing or damaged: rebuilding it from its segment");
    const damage = await this.#rebuild(io);
    if (damage !== null) throw new DamagedBatch({ kind: "batch", path: this.logPath, offset: this.baseOffset, ...damage });
    const rebuilt = await loadIndex(io, format, path, extent);
    if (rebuilt === null) throw new Error(`${path} was rebuilt, and the disk has something else`);
    return rebuilt;
  }
}

/**
 * Whether a closed segment's time index may end with `last`: the batch that the entry names is as new as it says, and none after it is
 * newer. Entries rise, and each is the newest of all batches up to its own: so this finds every truncated index, and every changed last
 * entry. Retention deletes by it. It costs little where timestamps rise, as that batch is near the segment's end then.
 */
async function endsWithLargest(io: SegmentIo, segment: Segment, last: TimeEntry | null): Promise<boolean> {
  const { sizeInBytes } = segment;
  const from = last === null ? 0 : await nearEnd(io, segment, last.offset);
  if (from === null) return false;
  let fits = true;
  let isFound = last === null;
  const walked = await segment.use(io, (file) =>
    walkHeaders(file, from, sizeInBytes, (batch) => {
      if (batch.maxTimestampMs > (last?.timestampMs ?? noTimestamp)) fits = false;
      // Kafka's entries may name any record of the batch
      if (last !== null && batch.baseOffset <= last.offset && last.offset <= batch.lastOffset) {
        isFound = true;
        if (batch.maxTimestampMs !== last.timestampMs) fits = false;
      }
      return fits ? "on" : "stop";
    }),
  );
  return fits && isFound && walked.damage === null;
}

/**
 * Where a batch starts, at or before the one with `offset`. Usually that is in the last part of the segment, for which the end of the
 * offset index is enough. Null: that is missing or damaged.
 */
async function nearEnd(io: SegmentIo, segment: Segment, offset: number): Promise<number | null> {
  const { folder, baseOffset, sizeInBytes } = segment;
  const end = await indexEnd(io.files, offsetIndexFormat, `${folder}/${segmentFileName(baseOffset, "index")}`, baseOffset);
  if (end === null) return null;
  if (end.last === null) return 0;
  if (end.last.position < 0 || end.last.position >= sizeInBytes) return null;
  return offset >= end.last.offset ? end.last.position : segment.floorPosition(offset, io);
}

export function segmentPath(folder: string, baseOffset: number, kind: SegmentFileKind): string {
  return `${folder}/${segmentFileName(baseOffset, kind)}`;
}
