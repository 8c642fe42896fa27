import { codeOf } from "../../runtime/files.ts";
import { deletedFilePath, segmentFileKinds, snapshotPath } from "../files/file-names.ts";
import { forgetFile } from "../segment/read-caches.ts";
import { type Segment, segmentPath } from "../segment/segment.ts";
import type { LogFlusher } from "./log-flusher.ts";
import type { LogState } from "./log-state.ts";
import type { LogWriter } from "./log-writer.ts";
import { undisturbed } from "./undisturbed.ts";

export interface RetentionMoment {
  /** Nothing above is removed. */
  readonly highWatermark: number;
  readonly nowMs: number;
}

/** Segments whose files are renamed while the gate is held: an append that waits for an fsync waits for these renames at most. */
const segmentsAtOnce = 16;

/**
 * Moves the log's start, and removes the segments that are wholly below it. Appends continue meanwhile.
 *
 * 1. The start moves at once: nothing below is read from here on.
 * 2. It is made durable before any file changes. Otherwise: (1) records are deleted by request; (2) the files' new names are lost in a
 *    crash;
 *    (3) the records are back.
 * 3. The segments leave the log and their files are renamed, oldest first; they are removed later.
 */
export class LogRetention {
  readonly #state: LogState;
  readonly #flusher: LogFlusher;
  readonly #writer: LogWriter;
  /** Resolves when the present start is durable. */
  #durable: Promise<void> = Promise.resolve();

  constructor(state: LogState, flusher: LogFlusher, writer: LogWriter) {
    this.#state = state;
    this.#flusher = flusher;
    this.#writer = writer;
  }

  /** See `Log.retain`. */
  async retain(moment: RetentionMoment): Promise<void> {
    const { generation } = this.#state;
    const ages = await undisturbed(this.#state, () => this.#readAges(moment));
    // (1) the ages were read; (2) the log was cut, or is being: what was committed may be other records by now. This is left to the next
    // check.
    if (this.#state.generation !== generation || this.#state.truncating !== null || this.#state.closed) return;
    const startOffset = this.#decide(moment, ages);
    await (startOffset > this.#state.startOffset ? this.startAt(startOffset) : this.#closeIfGone());
    await this.removeBelowStart();
  }

  /** A caller that finds the start where it should be may be answered only when no crash can undo it. */
  get durable(): Promise<void> {
    return this.#durable;
  }

  /** The start is `offset` in this turn, and durable when it resolves. */
  startAt(offset: number): Promise<void> {
    this.#state.startAt(offset);
    this.#durable = this.#store(offset);
    return this.#durable;
  }

  async #store(offset: number): Promise<void> {
    const state = this.#state;
    // In the gate. Otherwise: (1) the log is being moved, and the other directory's checkpoint has its start; (2) the new start is written
    // here, and answered; (3) the move is done; (4) a crash undoes it.
    const written = this.#flusher.exclusive(() => state.directory.checkpoints.write());
    await Promise.all([this.#closeIfGone(), written]);
    // Only now: (1) the epochs are cut at the new start, and their file is written; (2) a crash undoes the new start; (3) the epoch of the
    // records in between is unknown.
    state.epochs.startAt(Math.min(offset, state.startOffset));
  }

  async removeBelowStart(): Promise<void> {
    const state = this.#state;
    let isDone = segmentsBelow(state.segments, state.startOffset) === 0;
    while (!isDone) {
      await this.#flusher.exclusive(async () => {
        const count = state.closed ? 0 : segmentsBelow(state.segments, state.startOffset);
        isDone = count <= segmentsAtOnce;
        if (count === 0) return;
        const removed = state.replaceSegments(0, Math.min(count, segmentsAtOnce));
        await this.#flusher.dropSealed(removed);
        await removeSegmentsLater(state, removed);
      });
    }
  }

  /**
   * When the oldest segments were last written to, as far as needed: up to the first one that stays. So a check reads one time index, and
   * those of the segments that it removes, however many there are.
   */
  async #readAges({ highWatermark, nowMs }: RetentionMoment): Promise<ReadonlyMap<Segment, number>> {
    const { segments, settings, io } = this.#state;
    const ages = new Map<Segment, number>();
    if (settings.retentionMs < 0 || settings.cleanupPolicy === "compact") return ages;
    const from = this.#goneAnyway();
    for (const segment of segments.slice(from, Math.max(from, committedSegments(this.#state, highWatermark)))) {
      const newestMs = await segment.newestMs(io);
      ages.set(segment, newestMs);
      if (!isExpired(newestMs, settings.retentionMs, nowMs)) break;
    }
    return ages;
  }

  /** Where the log begins once everything expired is removed: at its end, when that is everything. */
  #decide({ highWatermark, nowMs }: RetentionMoment, ages: ReadonlyMap<Segment, number>): number {
    const state = this.#state;
    const { segments, settings } = state;
    const removable = committedSegments(state, highWatermark);
    let count = Math.min(this.#goneAnyway(), removable);
    const isOld = (segment: Segment) => isExpired(ages.get(segment) ?? Number.POSITIVE_INFINITY, settings.retentionMs, nowMs);
    while (count < removable && isOld(segments[count]!)) count++;
    return segments[count]?.baseOffset ?? state.endOffset;
  }

  /**
   * Nothing of the last segment is left to read: it is closed, in the caller's turn, so that it can be removed too. What is appended next
   * goes to a new one.
   */
  async #closeIfGone(): Promise<void> {
    const { startOffset, endOffset, layout } = this.#state;
    if (startOffset === endOffset && layout.sizeInBytes > 0) await this.#writer.roll();
  }

  /** How many of the first segments are removed whatever their age: those below the start, and those above the size. */
  #goneAnyway(): number {
    const { segments, startOffset, settings } = this.#state;
    const below = segmentsBelow(segments, startOffset);
    if (settings.cleanupPolicy === "compact") return below;
    return below + segmentsOverSize(segments.slice(below), settings.retentionBytes);
  }
}

/**
 * The files of segments that `state.replaceSegments` took out: renamed at once, so that no later start takes them for the log's, and
 * removed after `file.delete.delay.ms`. Running reads finish with the files that they have open. Only inside the gate, and oldest first:
 * whatever a crash leaves has no gap.
 */
export async function removeSegmentsLater(state: LogState, segments: readonly Segment[]): Promise<void> {
  const { directory, folder, settings } = state;
  const { files } = state.io;
  const removed: string[] = [];
  for (const segment of segments) {
    await segment.settled();
    const paths = segmentFileKinds.map((kind) => segmentPath(folder, segment.baseOffset, kind));
    for (const path of [...paths, snapshotPath(folder, segment.baseOffset)]) {
      await forgetFile(state.io, path);
      const deleted = deletedFilePath(path);
      await files.rename(path, deleted).catch(ignoreMissing);
      removed.push(deleted);
    }
  }
  await files.syncDirectory(folder);
  state.removalsSynced();
  directory.removedFiles.removeLater(removed, settings.fileDeleteDelayMs);
}

/** An index may be missing: it is built when needed. So may a snapshot: the log was read without it. */
function ignoreMissing(error: unknown): void {
  if (codeOf(error) !== "ENOENT") throw error;
}

/** The facts about a segment that decide whether it is kept. */
export interface RetainedSegment {
  readonly baseOffset: number;
  readonly sizeInBytes: number;
}

/** Segments by base offset, the last one growing; and where the log ends, exclusive. */
export interface RetainedLog {
  readonly segments: readonly RetainedSegment[];
  readonly endOffset: number;
}

// Segments are removed from the oldest on, and only whole: every result is a number of first segments.

/** Those that may be removed at all: wholly committed. The last one counts if it has records; it is closed before it is removed. */
export function committedSegments({ segments, endOffset }: RetainedLog, highWatermark: number): number {
  const kept = segments.findIndex((_, i) => (segments[i + 1]?.baseOffset ?? endOffset) > highWatermark);
  if (kept >= 0) return kept;
  return segments.at(-1)!.sizeInBytes > 0 ? segments.length : segments.length - 1;
}

/** Those wholly below the log's start. Never the last one. */
export function segmentsBelow(segments: readonly RetainedSegment[], startOffset: number): number {
  let count = 0;
  while (count + 1 < segments.length && segments[count + 1]!.baseOffset <= startOffset) count++;
  return count;
}

/** `retention.bytes`, -1 for no limit: segments are removed as long as what stays is not below it. */
export function segmentsOverSize(segments: readonly RetainedSegment[], retentionBytes: number): number {
  if (retentionBytes < 0) return 0;
  let excess = segments.reduce((sum, { sizeInBytes }) => sum + sizeInBytes, 0) - retentionBytes;
  let count = 0;
  while (count < segments.length && excess >= segments[count]!.sizeInBytes) excess -= segments[count++]!.sizeInBytes;
  return count;
}

/** `retention.ms`, -1 for ever: a segment is as old as its newest record. */
export function isExpired(newestMs: number, retentionMs: number, nowMs: number): boolean {
  return retentionMs >= 0 && nowMs - newestMs > retentionMs;
}
