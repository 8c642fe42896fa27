import { invariant } from "../../../protocol/base/invariant.ts";
import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import type { EndMarker } from "../../../protocol/records/end-marker.ts";
import type { TopicSettings } from "../../runtime/config/topic-settings.ts";
import type { File } from "../../runtime/files.ts";
import { fileNames } from "../files/file-names.ts";
import type { LogDirectory } from "../files/log-directory.ts";
import type { ProducerStates } from "../producers/producer-states.ts";
import type { AbortedTransaction } from "../segment/aborted-index.ts";
import type { SegmentIo } from "../segment/read-caches.ts";
import type { Segment } from "../segment/segment.ts";
import type { BelievedGaps } from "../segment/segment-joins.ts";
import { emptyLayout, type LayoutState, type Placed, place } from "../segment/segment-layout.ts";
import { KnownDamage } from "./known-damage.ts";
import type { LeaderEpochs } from "./leader-epochs.ts";
import type { LogPlace, OpenedLog } from "./opened-log.ts";
import { TailCache } from "./tail-cache.ts";

/** The state for its own verbs: all other modules only read. */
type Own = { -readonly [Field in keyof LogState]: LogState[Field] };
const own = (state: LogState): Own => state;

/**
 * What is known of one log, shared by its parts (writer, flusher, reader, truncation). They read it; only the verbs below change it, and
 * each of them leaves it valid. Offsets: start <= written end <= handed over end <= end; recovery point <= handed over end, and it may be
 * below the start.
 */
export class LogState {
  /** A different one after a move (`relocation.ts`), as is the folder. */
  readonly directory: LogDirectory;
  readonly folder: string;
  readonly io: SegmentIo;
  readonly epochs: LeaderEpochs;
  /** As of `endOffset`, so it includes what is still queued. */
  readonly producers: ProducerStates;
  /** Of the newest snapshot of them on disk; null: there is none. */
  readonly snapshotOffset: number | null;
  readonly tail: TailCache;
  readonly damage: KnownDamage;
  readonly believedGaps: BelievedGaps;
  readonly settings: TopicSettings;
  /** By base offset; never empty; the last one is active. */
  readonly segments: readonly Segment[];
  /** Of the last segment there will be once all that is queued is written. */
  readonly layout: LayoutState;
  readonly startOffset: number;
  readonly endOffset: number;
  /** What counts as written: what the operating system has and, where `flush.messages` demands it, the disk. */
  readonly writtenEndOffset: number;
  /** What the operating system has. Above `writtenEndOffset` while a write waits for its fsync. */
  readonly handedOverEndOffset: number;
  /** Everything below is on disk. */
  readonly recoveryPoint: number;
  /** Rises with every truncation and whenever segments leave: a read that began before it is repeated. */
  readonly generation: number = 0;
  /** Rises with every truncation: bytes that were read before may have changed. */
  readonly cuts: number = 0;
  /** Rises whenever segments leave for good: a reader that opens their files by name may not find them. */
  readonly departures: number = 0;
  /** How far compaction got: below it each key exists once. Above the end or below the start it has no meaning. */
  readonly cleanedEndOffset: number;
  /** Segments' files are being renamed: reads of files wait. */
  readonly renaming: Promise<void> | null = null;
  /** A truncation is running: reads wait for it, appends are a bug. */
  readonly truncating: Promise<void> | null = null;
  readonly closed: boolean = false;
  /** Names of segments created since the folder was last synced. */
  readonly namesUnsynced: boolean;
  /** Segments left since the folder was last synced: after a crash they may be back. */
  readonly removalsUnsynced: boolean = false;

  constructor({ directory, io, tails }: LogPlace, settings: TopicSettings, opened: OpenedLog, cleanedEndOffset = 0) {
    this.directory = directory;
    this.io = io;
    this.settings = settings;
    this.folder = opened.folder;
    this.epochs = opened.epochs;
    this.producers = opened.restored.producers;
    this.snapshotOffset = opened.restored.snapshotOffset;
    this.segments = opened.segments;
    this.layout = opened.layout;
    this.startOffset = opened.startOffset;
    this.endOffset = opened.endOffset;
    this.writtenEndOffset = opened.endOffset;
    this.handedOverEndOffset = opened.endOffset;
    this.recoveryPoint = opened.recoveryPoint;
    this.believedGaps = opened.believedGaps;
    this.namesUnsynced = !opened.namesSynced;
    // A crash may have taken the log's end before the checkpoint was updated: what is appended there is new.
    this.cleanedEndOffset = Math.min(cleanedEndOffset, opened.endOffset);
    this.tail = new TailCache(tails);
    this.damage = new KnownDamage(io, directory.health, opened.folder, opened.damage);
    this.#checkAll();
  }

  get last(): Segment {
    return this.segments[this.segments.length - 1]!;
  }

  get epochsPath(): string {
    return `${this.folder}/${fileNames.leaderEpochs}`;
  }

  /** Nothing was ever written: should its files be lost, a start makes the same ones again. */
  get isPristine(): boolean {
    return this.endOffset === 0;
  }

  /** The index in `segments` of the one that `offset` belongs to. */
  segmentIndex(offset: number): number {
    let [low, high] = [0, this.segments.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.segments[middle]!.baseOffset <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // Appending: a batch is assigned its place, handed over to the operating system, written, flushed.

  /**
   * The batch comes next, in the last segment; it is not written yet. `marker`: what is in a control batch, where it ends a transaction.
   */
  assigned(batch: BatchInfo, marker: EndMarker | null = null): Placed & { readonly aborted: AbortedTransaction | null } {
    invariant(batch.baseOffset >= this.endOffset && batch.lastOffset >= batch.baseOffset, "offsets continue the log", () => ({
      batch,
      endOffset: this.endOffset,
    }));
    const placed = place(this.layout, batch, this.settings.indexIntervalBytes);
    own(this).layout = placed.state;
    const aborted = this.producers.note(batch, marker);
    own(this).endOffset = batch.lastOffset + 1;
    const { state, offsetEntry, timeEntry } = placed;
    return { state, offsetEntry, timeEntry, aborted };
  }

  /** What is assigned next goes to a new segment, which begins at `baseOffset`: the log's end, or above it where no segment spans a gap. */
  assignedSegment(baseOffset: number, nowMs: number): void {
    invariant(baseOffset >= this.endOffset, "a segment begins at the log's end, or behind a gap", () => ({
      baseOffset,
      endOffset: this.endOffset,
    }));
    own(this).endOffset = baseOffset;
    own(this).layout = emptyLayout(baseOffset, nowMs);
  }

  handedOver(endOffset: number): void {
    invariant(endOffset > this.handedOverEndOffset && endOffset <= this.endOffset, "what is handed over was assigned", () => ({
      handedOver: endOffset,
      before: this.handedOverEndOffset,
      endOffset: this.endOffset,
    }));
    own(this).handedOverEndOffset = endOffset;
  }

  /** It may be read, replicated and count for the high watermark. */
  written(endOffset: number): void {
    invariant(endOffset > this.writtenEndOffset && endOffset <= this.handedOverEndOffset, "the written end moves towards the end", () => ({
      written: endOffset,
      before: this.writtenEndOffset,
      handedOver: this.handedOverEndOffset,
    }));
    own(this).writtenEndOffset = endOffset;
    this.last.checked.noteAppended(this.last.sizeInBytes, this.directory.remembering);
  }

  /** The last segment is sealed, and this one becomes active. Returns the sealed one's file, to be synced and closed. */
  rolled(next: Segment): File {
    const { baseOffset } = next;
    invariant(this.writtenEndOffset <= baseOffset, "a segment starts where the last one ends, or behind a gap", () => ({
      written: this.writtenEndOffset,
      baseOffset,
    }));
    if (this.writtenEndOffset < baseOffset) {
      own(this).handedOverEndOffset = own(this).writtenEndOffset = baseOffset;
      this.tail.clear();
    }
    own(this).namesUnsynced = true;
    const file = this.last.seal();
    // in place: an iteration over them, as a copy to another directory does it, reaches this one as well
    (this.segments as Segment[]).push(next);
    this.#check();
    return file;
  }

  /** Everything below `offset` is on disk. */
  flushed(offset: number): void {
    invariant(offset >= this.recoveryPoint && offset <= this.handedOverEndOffset, "a flush moves the recovery point forward", () => ({
      offset,
      recoveryPoint: this.recoveryPoint,
      handedOver: this.handedOverEndOffset,
    }));
    own(this).recoveryPoint = offset;
  }

  /** A snapshot of the producers as of `offset` is on disk. */
  snapshotted(offset: number): void {
    invariant(offset <= this.endOffset, "a snapshot is of the log", () => ({ offset, endOffset: this.endOffset }));
    own(this).snapshotOffset = offset;
  }

  /** The folder is being synced. */
  namesSynced(): void {
    own(this).namesUnsynced = false;
  }

  // Truncation. Nothing is queued and no flush runs meanwhile.

  /** From this turn on until `cutOver`: reads wait, appends are a bug. */
  cutBegun(done: Promise<void>): void {
    invariant(this.truncating === null, "a log is cut by one at a time");
    own(this).truncating = done.catch(() => undefined);
    own(this).cuts++;
  }

  cutOver(): void {
    own(this).truncating = null;
  }

  /**
   * Records from `endOffset` on are removed, in this turn; the caller cuts their files. True: the recovery point or the start was above,
   * and is lower now, which must be durable before the files change.
   */
  cutTo(endOffset: number): boolean {
    const { recoveryPoint, startOffset } = this;
    this.#invalidateReads(endOffset);
    this.tail.truncateTo(endOffset);
    this.epochs.truncateTo(endOffset);
    own(this).endOffset = own(this).writtenEndOffset = own(this).handedOverEndOffset = endOffset;
    own(this).recoveryPoint = Math.min(this.recoveryPoint, endOffset);
    own(this).startOffset = Math.min(this.startOffset, endOffset);
    this.#checkOffsets();
    return this.recoveryPoint < recoveryPoint || this.startOffset < startOffset;
  }

  /** The files are cut: the segment at that place in `segments` is the last one now, and active. */
  endsWith(at: number, segment: Segment, layout: LayoutState): void {
    own(this).segments = [...this.segments.slice(0, at), segment];
    own(this).layout = layout;
    this.#checkAll();
  }

  /** After a cut: the log's producers according to its batches. */
  producersRestored(producers: ProducerStates, snapshotOffset: number | null): void {
    this.producers.become(producers, this.endOffset);
    own(this).snapshotOffset = snapshotOffset;
  }

  /**
   * All records are removed, in this turn; the log will begin at `offset`. Until `restartedIn` its files are those of the old or the new
   * log.
   */
  restarting(offset: number): void {
    const firstOffset = this.segments[0]!.baseOffset;
    this.#invalidateReads(0);
    this.tail.clear();
    this.epochs.clear();
    this.producers.clear();
    own(this).recoveryPoint = Math.min(this.recoveryPoint, firstOffset, offset);
    if (offset < this.startOffset) own(this).startOffset = firstOffset;
    this.#checkOffsets();
  }

  /** The log is empty, and this is its only segment. */
  restartedIn(only: Segment, nowMs: number): void {
    const offset = only.baseOffset;
    own(this).segments = [only];
    own(this).snapshotOffset = null;
    own(this).namesUnsynced = false;
    own(this).layout = emptyLayout(offset, nowMs);
    own(this).endOffset = own(this).writtenEndOffset = own(this).handedOverEndOffset = offset;
    own(this).startOffset = own(this).recoveryPoint = offset;
    this.#checkAll();
  }

  // The start, and segments that leave. Only inside the gate (`LogFlusher.exclusive`), except for the start itself.

  /** The log begins at `offset`: what is below is no longer read. Its files are removed later. */
  startAt(offset: number): void {
    invariant(offset >= this.startOffset && offset <= this.writtenEndOffset, "a log's start moves forward, within what is written", () => ({
      offset,
      startOffset: this.startOffset,
      writtenEndOffset: this.writtenEndOffset,
    }));
    own(this).startOffset = offset;
  }

  /**
   * Some segments are replaced by others, in this turn: running reads notice it and are repeated. The caller removes or replaces their
   * files. The active one stays.
   */
  replaceSegments(at: number, count: number, replacements: readonly Segment[] = []): readonly Segment[] {
    const replaced = this.segments.slice(at, at + count);
    invariant(replaced.length === count && replaced.at(-1) !== this.last, "only sealed segments leave a log", () => ({ at, count }));
    for (const segment of replaced) segment.retire();
    own(this).segments = [...this.segments.slice(0, at), ...replacements, ...this.segments.slice(at + count)];
    own(this).generation++;
    if (replacements.length === 0) own(this).departures++;
    own(this).removalsUnsynced = true;
    this.#check();
    return replaced;
  }

  /** The folder is synced: removed files cannot reappear. */
  removalsSynced(): void {
    own(this).removalsUnsynced = false;
  }

  /** No read of files begins from this turn on, and running ones are repeated, until the returned function is called. */
  holdReads(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    own(this).generation++;
    own(this).renaming = promise;
    return () => {
      own(this).renaming = null;
      resolve();
    };
  }

  cleanedTo(offset: number): void {
    invariant(offset <= this.handedOverEndOffset, "what was compacted is in the log", () => ({ offset }));
    own(this).cleanedEndOffset = offset;
  }

  // The log as a whole.

  /** The log is there from now on: all of it, and on disk. */
  movedTo(directory: LogDirectory, folder: string, segments: Segment[]): void {
    for (const segment of this.segments.slice(0, -1)) segment.retire();
    own(this).directory = directory;
    own(this).folder = folder;
    own(this).segments = segments;
    this.damage.movedTo(directory.health, folder);
    own(this).recoveryPoint = this.handedOverEndOffset;
    own(this).namesUnsynced = false;
    own(this).removalsUnsynced = false;
    own(this).generation++;
    this.#checkAll();
  }

  settingsChanged(settings: TopicSettings): void {
    own(this).settings = settings;
  }

  /** Nothing is appended, read or changed any more. */
  close(): void {
    own(this).closed = true;
  }

  /** Those that began before are repeated; what was compacted above `endOffset` is gone; nothing vouches for the files that change. */
  #invalidateReads(endOffset: number): void {
    own(this).generation++;
    own(this).cleanedEndOffset = Math.min(this.cleanedEndOffset, endOffset);
    for (const segment of this.segments) segment.forgetRead();
  }

  #checkOffsets(): void {
    const { folder, startOffset, endOffset, writtenEndOffset, handedOverEndOffset, recoveryPoint } = this;
    const values = { folder, startOffset, recoveryPoint, writtenEndOffset, handedOverEndOffset, endOffset };
    const inOrder = startOffset <= writtenEndOffset && writtenEndOffset <= handedOverEndOffset && handedOverEndOffset <= endOffset;
    invariant(inOrder && recoveryPoint <= handedOverEndOffset, "a log's offsets are in order", () => values);
  }

  #check(): void {
    this.#checkOffsets();
    const [first, last] = [this.segments[0], this.segments.at(-1)];
    const areThere = first !== undefined && last !== undefined && last.growing !== null;
    invariant(areThere && first.baseOffset <= this.startOffset && last.baseOffset <= this.endOffset, "segments hold the log's offsets");
    const before = this.segments.at(-2);
    invariant(before === undefined || (before.growing === null && before.baseOffset < last.baseOffset), "only the last segment grows");
  }

  /** Where segments were exchanged, which is rare: checks each of them. */
  #checkAll(): void {
    this.#check();
    const { segments } = this;
    const rise = segments.every((segment, i) => i === 0 || segments[i - 1]!.baseOffset < segment.baseOffset);
    invariant(rise, "segments follow each other", () => ({ folder: this.folder, bases: segments.map(({ baseOffset }) => baseOffset) }));
  }
}
