import { invariant } from "../../protocol/base/invariant.ts";
import type { BatchInfo } from "../../protocol/records/batch-header.ts";
import type { TopicSettings } from "../runtime/topic-settings.ts";
import { FlushSchedule } from "./flush-schedule.ts";
import type { LogFlusher } from "./log-flusher.ts";
import type { LogState } from "./log-state.ts";
import { storeSnapshot } from "./producers/producer-files.ts";
import { type OffsetEntry, relativeOffsetMax, type TimeEntry } from "./segment/index-format.ts";
import { createSegment } from "./segment/segment-files.ts";
import { closingEntry, emptyLayout, mustRoll, place, type RollLimits } from "./segment/segment-layout.ts";
import { WrittenWaiters } from "./written-waiters.ts";

/** Appended bytes wait here at most. With the network's own bounds it never comes to that, but those are settings. */
const queuedBytesMax = 2 ** 30;
/** One write takes this much at most, so that those at the front of a long queue do not wait for its end. */
const writeBytesMax = 8 * 1024 * 1024;
const writeChunksMax = 1024;
/** Index entries wait in memory until there are this many (2 MiB of log), or the segment is closed. */
const unstoredEntriesMax = 512;

interface QueuedAppend {
  readonly kind: "append";
  readonly bytes: Buffer;
  readonly baseOffset: number;
  readonly endOffset: number;
  readonly offsetEntries: readonly OffsetEntry[];
  readonly timeEntries: readonly TimeEntry[];
  /** Of the segment, this append included. */
  readonly maxTimestampMs: number;
  readonly offsetOfMaxTimestamp: number;
  /** Compaction at the leader took what was between two batches, or before the first. */
  readonly hasGap: boolean;
}

interface QueuedRoll {
  readonly kind: "roll";
  readonly baseOffset: number;
  readonly closingEntry: TimeEntry | null;
  /** Snapshot as of `baseOffset`. */
  readonly producers: Buffer;
  readonly done: PromiseWithResolvers<void> | null;
}

interface QueuedPause {
  readonly kind: "pause";
  readonly work: () => Promise<void>;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * The one writer of a log. `enqueue` decides everything (segment, index entries) in the caller's turn; a loop then carries it out: appends
 * that wait together become one write, and one fsync where `flush.messages` demands it. After a failure nothing is written any more.
 */
export class LogWriter {
  readonly #state: LogState;
  readonly #flusher: LogFlusher;
  readonly #schedule: FlushSchedule;
  readonly #waiters = new WrittenWaiters();
  readonly #listeners = new Set<(writtenEndOffset: number) => void>();
  #queue: (QueuedAppend | QueuedRoll | QueuedPause)[] = [];
  #queuedBytes = 0;
  /** In [0, 1), of the segment that is written; null: not drawn yet. */
  #jitterShare: number | null = null;
  #running = false;
  #notifying = false;
  readonly #rolls = new Set<PromiseWithResolvers<void>>();
  #idle: (() => void)[] = [];
  #forgetHealth: () => void;

  constructor(state: LogState, flusher: LogFlusher) {
    this.#state = state;
    this.#flusher = flusher;
    this.#schedule = new FlushSchedule(state, flusher);
    this.#forgetHealth = this.#watchHealth();
  }

  #watchHealth(): () => void {
    return this.#state.directory.health.onOffline((error) => {
      this.#queue = [];
      this.#waiters.fail(error);
      for (const { reject } of this.#rolls) reject(error);
    });
  }

  /** The log lies in another directory now. */
  directoryChanged(): void {
    this.#forgetHealth();
    this.#forgetHealth = this.#watchHealth();
  }

  /** Whether so much more may wait for the disk. */
  hasRoomFor(bytes: number): boolean {
    return this.#queuedBytes + bytes <= queuedBytesMax;
  }

  /** `bytes` holds exactly `batches`, whose offsets continue the log, and there is room for them. */
  enqueue(bytes: Buffer, batches: readonly BatchInfo[]): void {
    const state = this.#state;
    this.#queuedBytes += bytes.length;
    invariant(this.#queuedBytes <= queuedBytesMax, "appends that wait for the disk are bounded", () => ({
      queuedBytes: this.#queuedBytes,
    }));
    const nowMs = state.directory.clock.nowMs();
    let run = startRun(state.endOffset, 0);
    for (const batch of batches) {
      invariant(batch.baseOffset >= state.endOffset && batch.lastOffset >= batch.baseOffset, "offsets continue the log", () => ({
        batch,
        endOffset: state.endOffset,
      }));
      if (mustRoll(state.layout, batch, this.#rollLimits(), nowMs)) {
        this.#queueRun(bytes, run, batch.position);
        // so far from the last batch that no segment reaches over the gap: the next one begins behind it
        const isFar = batch.lastOffset - state.endOffset > relativeOffsetMax;
        if (isFar) state.endOffset = batch.baseOffset;
        this.#queueRoll(nowMs, null);
        run = startRun(state.endOffset, batch.position);
        run.hasGap = isFar;
      }
      run.hasGap ||= batch.baseOffset > state.endOffset;
      const placed = place(state.layout, batch, state.settings.indexIntervalBytes);
      state.layout = placed.state;
      if (placed.offsetEntry !== null) run.offsetEntries.push(placed.offsetEntry);
      if (placed.timeEntry !== null) run.timeEntries.push(placed.timeEntry);
      state.producers.note(batch);
      state.endOffset = batch.lastOffset + 1;
    }
    this.#queueRun(bytes, run, bytes.length);
    this.#start();
  }

  /**
   * What is appended next goes to a new segment. Resolves once the one there is is sealed; all that was appended is written, and it is not
   * empty.
   */
  roll(): Promise<void> {
    const { layout, writtenEndOffset, endOffset, directory } = this.#state;
    invariant(layout.sizeInBytes > 0 && writtenEndOffset === endOffset, "a segment with records, all of them written, is closed");
    const done = Promise.withResolvers<void>();
    this.#rolls.add(done);
    this.#queueRoll(directory.clock.nowMs(), done);
    this.#start();
    return done.promise.finally(() => this.#rolls.delete(done));
  }

  /**
   * Runs `work`, which must not reject, once all that was appended before is written; what is appended meanwhile is written after. Rejects
   * when there is nothing to write to any more.
   */
  pausing(work: () => Promise<void>): Promise<void> {
    this.#state.directory.health.assertOnline();
    const done = Promise.withResolvers<void>();
    this.#rolls.add(done);
    this.#queue.push({ kind: "pause", work, done });
    this.#start();
    return done.promise.finally(() => this.#rolls.delete(done));
  }

  written(offset: number): Promise<void> {
    const { health } = this.#state.directory;
    if (health.offline !== null) return Promise.reject(health.offline);
    return offset <= this.#state.writtenEndOffset ? Promise.resolve() : this.#waiters.wait(offset);
  }

  onWritten(listener: (writtenEndOffset: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves once nothing waits to be written; rejects when it cannot be. */
  async drained(): Promise<void> {
    if (this.#running) await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#state.directory.health.assertOnline();
  }

  flushMsChanged(): void {
    this.#schedule.begunAnew();
  }

  /** Nothing is appended any more. */
  close(): void {
    this.#schedule.stop();
    this.#forgetHealth();
    this.#listeners.clear();
  }

  #rollLimits(): RollLimits {
    const { settings, directory } = this.#state;
    if (settings.segmentJitterMs > 0) this.#jitterShare ??= directory.random.next();
    return rollLimits(settings, this.#jitterShare ?? 0);
  }

  #queueRoll(nowMs: number, done: PromiseWithResolvers<void> | null): void {
    const state = this.#state;
    this.#queue.push({
      kind: "roll",
      baseOffset: state.endOffset,
      closingEntry: closingEntry(state.layout),
      producers: state.producers.encode(),
      done,
    });
    state.layout = emptyLayout(state.endOffset, nowMs);
    this.#jitterShare = null;
  }

  #queueRun(bytes: Buffer, run: Run, to: number): void {
    if (to === run.from) return;
    const { layout, endOffset } = this.#state;
    const { maxTimestampMs, offsetOfMaxTimestamp } = layout;
    const { baseOffset, offsetEntries, timeEntries, hasGap } = run;
    const part = run.from === 0 && to === bytes.length ? bytes : bytes.subarray(run.from, to);
    this.#queue.push({
      kind: "append",
      bytes: part,
      baseOffset,
      endOffset,
      offsetEntries,
      timeEntries,
      maxTimestampMs,
      offsetOfMaxTimestamp,
      hasGap,
    });
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    // in a microtask, so that all appends of this turn go together
    queueMicrotask(() => void this.#run());
  }

  async #run(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const first = this.#queue[0]!;
        if (first.kind === "append") await this.#write(this.#takeAppends());
        else {
          this.#queue.shift();
          if (first.kind === "roll") await this.#roll(first);
          else await first.work().then(first.done.resolve);
        }
      }
    } catch (error) {
      const failure = this.#state.directory.health.failed(error);
      if (failure !== this.#state.directory.health.offline) throw failure;
    } finally {
      this.#running = false;
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  #takeAppends(): QueuedAppend[] {
    const taken: QueuedAppend[] = [];
    let bytes = 0;
    for (const item of this.#queue) {
      if (item.kind !== "append" || taken.length === writeChunksMax) break;
      if (taken.length > 0 && bytes + item.bytes.length > writeBytesMax) break;
      taken.push(item);
      bytes += item.bytes.length;
    }
    this.#queue.splice(0, taken.length);
    return taken;
  }

  async #write(appends: readonly QueuedAppend[]): Promise<void> {
    const state = this.#state;
    const segment = state.last;
    const { file, offsets, times } = segment.writable;
    const chunks = appends.map((append) => append.bytes);
    const sizeInBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    await file.write(chunks, segment.sizeInBytes);
    state.directory.health.assertOnline();
    const last = appends.at(-1)!;
    state.handedOverEndOffset = last.endOffset;
    this.#schedule.handedOver();
    // Appends that come while this fsync runs wait in the queue and leave together, with the next write and the next fsync (group commit).
    const hasGap = appends.some((append) => append.hasGap);
    if (hasGap || this.#schedule.isFlushDue()) await this.#flusher.flush();
    // Recovery takes a gap above the recovery point for lost records, and cuts the log there. So what has one counts as written once the
    // recovery point is above it, for good.
    if (hasGap) await state.directory.checkpoints.write();

    segment.sizeInBytes += sizeInBytes;
    this.#queuedBytes -= sizeInBytes;
    for (const append of appends) {
      for (const entry of append.offsetEntries) offsets.append(entry);
      for (const entry of append.timeEntries) times.append(entry);
      state.tail.append(append.bytes, append.baseOffset, append.endOffset);
    }
    segment.writable.maxTimestampMs = last.maxTimestampMs;
    segment.writable.offsetOfMaxTimestamp = last.offsetOfMaxTimestamp;
    invariant(last.endOffset > state.writtenEndOffset && last.endOffset <= state.endOffset, "the written end moves towards the end");
    state.writtenEndOffset = last.endOffset;
    this.#waiters.reached(last.endOffset);
    this.#notify();
    if (offsets.unstoredEntries > unstoredEntriesMax) {
      await offsets.store(state.directory.files, { sync: false });
      await times.store(state.directory.files, { sync: false });
    }
  }

  async #roll({ baseOffset, closingEntry, producers, done }: QueuedRoll): Promise<void> {
    const state = this.#state;
    const old = state.last;
    const { offsets, times } = old.writable;
    if (closingEntry !== null) times.append(closingEntry);
    // synced before the next segment exists: recovery trusts the indexes of all segments but those from the recovery point on, and that may
    // be the next one's start
    await offsets.store(state.directory.files, { sync: true });
    await times.store(state.directory.files, { sync: true });
    for (const { path } of [offsets, times]) state.directory.indexes.forget(path);
    // before the segment exists, too: whoever opens the log reads no more than the last one to know its producers
    await storeSnapshot(state.directory, state.folder, baseOffset, producers);
    state.snapshotOffset = baseOffset;
    await this.#flusher.roomForSealed();
    const segment = await createSegment(state.directory, state.folder, baseOffset);
    state.directory.health.assertOnline();
    invariant(state.writtenEndOffset <= baseOffset, "a segment starts where the last one ends, or behind a gap", () => ({
      written: state.writtenEndOffset,
      baseOffset,
    }));
    if (state.writtenEndOffset < baseOffset) {
      state.handedOverEndOffset = state.writtenEndOffset = baseOffset;
      state.tail.clear();
    }
    state.namesUnsynced = true;
    this.#flusher.addSealed(old, old.seal());
    state.segments.push(segment);
    this.#flusher.flushInBackground();
    done?.resolve();
  }

  /** Tells the listeners in a microtask of its own: once for all that is written until then, and never from within the writer. */
  #notify(): void {
    if (this.#notifying || this.#listeners.size === 0) return;
    this.#notifying = true;
    queueMicrotask(() => {
      this.#notifying = false;
      for (const listener of [...this.#listeners]) listener(this.#state.writtenEndOffset);
    });
  }
}

/**
 * What is in the segment being written is never compacted, so it must not stay there for longer than a record may stay uncompacted. Of a
 * random part taken off its age, `jitterShare` is this segment's.
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
  hasGap: boolean;
}

function startRun(baseOffset: number, from: number): Run {
  return { baseOffset, from, offsetEntries: [], timeEntries: [], hasGap: false };
}
