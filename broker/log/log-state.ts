import { invariant } from "../../protocol/base/invariant.ts";
import type { TopicSettings } from "../runtime/topic-settings.ts";
import { fileNames } from "./file-names.ts";
import { KnownDamage } from "./known-damage.ts";
import type { LeaderEpochs } from "./leader-epochs.ts";
import type { LogDamage } from "./log-contract.ts";
import type { LogDirectory } from "./log-directory.ts";
import type { ProducerStates } from "./producers/producer-states.ts";
import type { Segment } from "./segment/segment.ts";
import type { BelievedGaps } from "./segment/segment-joins.ts";
import type { LayoutState } from "./segment/segment-layout.ts";
import { TimestampMaxima } from "./segment/timestamp-maxima.ts";
import { TailCache } from "./tail-cache.ts";

export interface OpenedLog {
  readonly folder: string;
  readonly segments: Segment[];
  readonly layout: LayoutState;
  readonly epochs: LeaderEpochs;
  /** As of `endOffset`. */
  readonly producers: ProducerStates;
  /** Of the newest snapshot of them on the disk; null: there is none. */
  readonly snapshotOffset: number | null;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly recoveryPoint: number;
  readonly damage: LogDamage | null;
  readonly believedGaps: BelievedGaps;
}

/**
 * What the parts of one log (writer, flusher, reader, truncation) share. Offsets: start <= written end <= handed over end <= end; recovery
 * point <= handed over end, and it may be below the start.
 */
export class LogState {
  /** Another one after a move (`relocation.ts`), as is the folder. */
  directory: LogDirectory;
  folder: string;
  readonly epochs: LeaderEpochs;
  /** As of `endOffset`, so of what is still queued, too. */
  readonly producers: ProducerStates;
  snapshotOffset: number | null;
  readonly tail: TailCache;
  readonly damage: KnownDamage;
  readonly maxima = new TimestampMaxima();
  readonly believedGaps: BelievedGaps;
  settings: TopicSettings;
  /** By base offset; never empty; the last one is growing. */
  segments: Segment[];
  /** Of the last segment there will be once all that is queued is written. */
  layout: LayoutState;
  startOffset: number;
  endOffset: number;
  /** What counts as written: what the operating system has and, where `flush.messages` demands it, the disk. */
  writtenEndOffset: number;
  /** What the operating system has. Above `writtenEndOffset` while a write waits for its fsync. */
  handedOverEndOffset: number;
  /** Everything below is on the disk. */
  recoveryPoint: number;
  /** Rises with every truncation and whenever segments leave: a read that began before it begins anew. */
  generation = 0;
  /** Rises with every truncation: bytes that were read before may be others now. */
  cuts = 0;
  /** Rises whenever segments leave for good: whoever reads their files by name may find none. */
  departures = 0;
  /** Up to where compaction came: each key is there once. Above the end or below the start it says nothing. */
  cleanedEndOffset: number;
  /** Segments' files are being renamed: reads of files wait. */
  renaming: Promise<void> | null = null;
  /** A truncation under way: reads wait for it, appends are a bug. */
  truncating: Promise<void> | null = null;
  closed = false;
  /** Names of segments created since the folder was last synced. */
  namesUnsynced = true;
  /** Segments left since the folder was last synced: after a crash they may be back. */
  removalsUnsynced = false;

  constructor(directory: LogDirectory, settings: TopicSettings, opened: OpenedLog, cleanedEndOffset = 0) {
    this.directory = directory;
    this.settings = settings;
    this.folder = opened.folder;
    this.epochs = opened.epochs;
    this.producers = opened.producers;
    this.snapshotOffset = opened.snapshotOffset;
    this.segments = opened.segments;
    this.layout = opened.layout;
    this.startOffset = opened.startOffset;
    this.endOffset = opened.endOffset;
    this.writtenEndOffset = opened.endOffset;
    this.handedOverEndOffset = opened.endOffset;
    this.recoveryPoint = opened.recoveryPoint;
    this.believedGaps = opened.believedGaps;
    // A crash may have taken the log's end before the checkpoint said so: what is appended there is new.
    this.cleanedEndOffset = Math.min(cleanedEndOffset, opened.endOffset);
    this.tail = new TailCache(directory.tails);
    this.damage = new KnownDamage(directory, opened.folder, opened.damage);
    this.check();
  }

  get last(): Segment {
    return this.segments[this.segments.length - 1]!;
  }

  get epochsPath(): string {
    return `${this.folder}/${fileNames.leaderEpochs}`;
  }

  /** Everything written is as it is when nothing is under way: after a cut, or a new beginning. */
  endAt(offset: number): void {
    this.endOffset = this.writtenEndOffset = this.handedOverEndOffset = offset;
  }

  /**
   * Some segments give way to others, in this turn: reads under way notice it and begin anew. By the gate (`LogFlusher.exclusive`) only,
   * and their files are the caller's to remove (`removeSegmentsLater`) or to replace. The growing one stays.
   */
  replaceSegments(at: number, count: number, replacements: readonly Segment[] = []): readonly Segment[] {
    const replaced = this.segments.slice(at, at + count);
    invariant(replaced.length === count && replaced.at(-1) !== this.last, "only sealed segments leave a log", () => ({ at, count }));
    for (const segment of replaced) segment.retire();
    this.segments = [...this.segments.slice(0, at), ...replacements, ...this.segments.slice(at + count)];
    this.generation++;
    if (replacements.length === 0) this.departures++;
    this.removalsUnsynced = true;
    return replaced;
  }

  /** The log lies there from now on: all of it, and on the disk. */
  movedTo(directory: LogDirectory, folder: string, segments: Segment[]): void {
    for (const segment of this.segments.slice(0, -1)) segment.retire();
    this.directory = directory;
    this.folder = folder;
    this.segments = segments;
    this.damage.movedTo(directory, folder);
    this.recoveryPoint = this.handedOverEndOffset;
    this.namesUnsynced = false;
    this.removalsUnsynced = false;
    this.generation++;
    this.check();
  }

  /** Records from `endOffset` on go. */
  cutAt(endOffset: number): void {
    this.generation++;
    this.cleanedEndOffset = Math.min(this.cleanedEndOffset, endOffset);
  }

  /** No read of files begins from this turn on, and those under way begin anew, until the returned function is called. */
  holdReads(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.generation++;
    this.renaming = promise;
    return () => {
      this.renaming = null;
      resolve();
    };
  }

  /** The log begins at `offset`: what is below is read no more. Its files go later. */
  startAt(offset: number): void {
    invariant(offset >= this.startOffset && offset <= this.writtenEndOffset, "a log's start moves forward, within what is written", () => ({
      offset,
      startOffset: this.startOffset,
      writtenEndOffset: this.writtenEndOffset,
    }));
    this.startOffset = offset;
  }

  /** The place in `segments` of the one that `offset` belongs to. */
  segmentIndex(offset: number): number {
    let [low, high] = [0, this.segments.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.segments[middle]!.baseOffset <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  check(): void {
    const { startOffset, endOffset, writtenEndOffset, handedOverEndOffset, recoveryPoint } = this;
    const inOrder = startOffset <= writtenEndOffset && writtenEndOffset <= handedOverEndOffset && handedOverEndOffset <= endOffset;
    invariant(this.segments.length > 0 && inOrder && recoveryPoint <= handedOverEndOffset, "a log's offsets are in order", () => ({
      folder: this.folder,
      startOffset,
      recoveryPoint,
      writtenEndOffset,
      handedOverEndOffset,
      endOffset,
    }));
    invariant(this.segments[0]!.baseOffset <= startOffset && this.last.baseOffset <= endOffset, "segments hold the log's offsets");
  }
}
