import type { Clock } from "../../../protocol/base/clock.ts";
import { invariant } from "../../../protocol/base/invariant.ts";
import type { Random } from "../../../protocol/base/random.ts";
import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import { readEndMarker } from "../../../protocol/records/end-marker.ts";
import type { TopicSettings } from "../../runtime/config/topic-settings.ts";
import type { AbortedTransaction } from "../segment/aborted-index.ts";
import { type OffsetEntry, relativeOffsetMax, type TimeEntry } from "../segment/index-file.ts";
import { closingEntry, mustRoll, type RollLimits } from "../segment/segment-layout.ts";
import type { LogState } from "./log-state.ts";
import type { PlacedBytes } from "./tail-cache.ts";

/** Appended bytes waiting here, at most. With the network's own bounds this is never reached, but those are settings. */
const queuedBytesMax = 2 ** 30;
/** One write takes this much at most, so that appends at the front of a long queue do not wait for its end. */
const writeBytesMax = 8 * 1024 * 1024;
const writeChunksMax = 1024;

export interface QueuedAppend {
  readonly kind: "append";
  readonly placed: PlacedBytes;
  readonly baseOffset: number;
  readonly endOffset: number;
  readonly offsetEntries: readonly OffsetEntry[];
  readonly timeEntries: readonly TimeEntry[];
  readonly aborted: readonly AbortedTransaction[];
  /** Of the segment, this append included. */
  readonly maxTimestampMs: number;
  readonly offsetOfMaxTimestamp: number;
  /** Compaction at the leader removed what was between two batches, or before the first. */
  readonly hasGap: boolean;
}

export interface QueuedRoll {
  readonly kind: "roll";
  readonly baseOffset: number;
  readonly closingEntry: TimeEntry | null;
  /** Snapshot as of `baseOffset`. */
  readonly producers: Buffer;
  readonly done: PromiseWithResolvers<void> | null;
}

export interface QueuedPause {
  readonly kind: "pause";
  readonly work: () => Promise<void>;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * What waits to be written to a log, in order. Everything about an append (segment, index entries) is decided in the caller's turn, when it
 * is added; the writer only executes it.
 */
export class AppendQueue {
  readonly #state: LogState;
  readonly #clock: Clock;
  readonly #random: Random;
  #items: (QueuedAppend | QueuedRoll | QueuedPause)[] = [];
  #bytes = 0;
  /** In [0, 1), of the active segment; null: not drawn yet. */
  #jitterShare: number | null = null;
  /** Of rolls and pauses that a caller waits for. */
  readonly #waiting = new Set<PromiseWithResolvers<void>>();

  constructor(state: LogState, clock: Clock, random: Random) {
    this.#state = state;
    this.#clock = clock;
    this.#random = random;
  }

  get first(): QueuedAppend | QueuedRoll | QueuedPause | undefined {
    return this.#items[0];
  }

  /** Whether that much more may wait for the disk. */
  hasRoomFor(bytes: number): boolean {
    return this.#bytes + bytes <= queuedBytesMax;
  }

  /** `bytes` holds exactly `batches`, whose offsets continue the log, and there is room for them. They are copied. */
  add(bytes: Buffer, batches: readonly BatchInfo[]): void {
    const state = this.#state;
    this.#bytes += bytes.length;
    invariant(this.#bytes <= queuedBytesMax, "appends that wait for the disk are bounded", () => ({ queuedBytes: this.#bytes }));
    const nowMs = this.#clock.nowMs();
    let run = startRun(state.endOffset, 0);
    for (const batch of batches) {
      if (mustRoll(state.layout, batch, this.#rollLimits(), nowMs)) {
        this.#addRun(bytes, run, batch.position);
        // so far from the last batch that no segment spans the gap: the next one begins after it
        const isFar = batch.lastOffset - state.endOffset > relativeOffsetMax;
        this.#addRoll(isFar ? batch.baseOffset : state.endOffset, nowMs, null);
        run = startRun(state.endOffset, batch.position);
        run.hasGap = isFar;
      }
      run.hasGap ||= batch.baseOffset > state.endOffset;
      const { offsetEntry, timeEntry, aborted } = state.assigned(batch, batch.isControl ? readEndMarker(bytes, batch) : null);
      if (offsetEntry !== null) run.offsetEntries.push(offsetEntry);
      if (timeEntry !== null) run.timeEntries.push(timeEntry);
      if (aborted !== null) run.aborted.push(aborted);
    }
    this.#addRun(bytes, run, bytes.length);
  }

  /**
   * What is appended next goes to a new segment. Resolves once the present one is sealed. It must not be empty, and everything appended
   * must be written.
   */
  addRoll(): Promise<void> {
    const { layout, writtenEndOffset, endOffset } = this.#state;
    invariant(layout.sizeInBytes > 0 && writtenEndOffset === endOffset, "a segment with records, all of them written, is closed");
    return this.#waited((done) => this.#addRoll(endOffset, this.#clock.nowMs(), done));
  }

  /** Resolves when `work` has run. */
  addPause(work: () => Promise<void>): Promise<void> {
    return this.#waited((done) => this.#items.push({ kind: "pause", work, done }));
  }

  /** The appends at the front, for one write. */
  takeAppends(): QueuedAppend[] {
    const taken: QueuedAppend[] = [];
    let bytes = 0;
    for (const item of this.#items) {
      if (item.kind !== "append" || taken.length === writeChunksMax) break;
      const { length } = item.placed.bytes;
      if (taken.length > 0 && bytes + length > writeBytesMax) break;
      taken.push(item);
      bytes += length;
    }
    this.#items.splice(0, taken.length);
    return taken;
  }

  /** Takes a roll or a pause from the front. */
  shift(): void {
    this.#items.shift();
  }

  /** That many of the bytes taken are written: their room is free again. */
  written(bytes: number): void {
    this.#bytes -= bytes;
    invariant(this.#bytes >= 0, "only what waited is written", () => ({ queuedBytes: this.#bytes }));
  }

  /** Nothing in it is written any more. */
  fail(error: Error): void {
    this.#items = [];
    for (const { reject } of this.#waiting) reject(error);
  }

  #waited(add: (done: PromiseWithResolvers<void>) => void): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#waiting.add(done);
    add(done);
    return done.promise.finally(() => this.#waiting.delete(done));
  }

  #rollLimits(): RollLimits {
    const { settings } = this.#state;
    if (settings.segmentJitterMs > 0) this.#jitterShare ??= this.#random.next();
    return rollLimits(settings, this.#jitterShare ?? 0);
  }

  #addRoll(baseOffset: number, nowMs: number, done: PromiseWithResolvers<void> | null): void {
    const state = this.#state;
    this.#items.push({ kind: "roll", baseOffset, closingEntry: closingEntry(state.layout), producers: state.producers.encode(), done });
    state.assignedSegment(baseOffset, nowMs);
    this.#jitterShare = null;
  }

  #addRun(bytes: Buffer, run: Run, to: number): void {
    if (to === run.from) return;
    const { layout, endOffset, tail } = this.#state;
    const { maxTimestampMs, offsetOfMaxTimestamp } = layout;
    const { baseOffset, offsetEntries, timeEntries, aborted, hasGap } = run;
    const part = run.from === 0 && to === bytes.length ? bytes : bytes.subarray(run.from, to);
    this.#items.push({
      kind: "append",
      placed: tail.place(part),
      baseOffset,
      endOffset,
      offsetEntries,
      timeEntries,
      aborted,
      maxTimestampMs,
      offsetOfMaxTimestamp,
      hasGap,
    });
  }
}

/**
 * The active segment is never compacted, so records must not stay in it for longer than they may stay uncompacted. Its age limit is reduced
 * by a random part, of which `jitterShare` is this segment's share.
 */
function rollLimits(settings: TopicSettings, jitterShare: number): RollLimits {
  const { segmentMs, segmentJitterMs, maxCompactionLagMs, cleanupPolicy } = settings;
  const oldestMs = cleanupPolicy === "delete" ? segmentMs : Math.min(segmentMs, maxCompactionLagMs);
  const jitterMs = Math.floor(jitterShare * Math.min(segmentJitterMs, segmentMs));
  return oldestMs - jitterMs === segmentMs ? settings : { ...settings, segmentMs: Math.max(oldestMs - jitterMs, 0) };
}

interface Run {
  readonly baseOffset: number;
  readonly from: number;
  readonly offsetEntries: OffsetEntry[];
  readonly timeEntries: TimeEntry[];
  readonly aborted: AbortedTransaction[];
  hasGap: boolean;
}

function startRun(baseOffset: number, from: number): Run {
  return { baseOffset, from, offsetEntries: [], timeEntries: [], aborted: [], hasGap: false };
}
