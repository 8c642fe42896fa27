import type { Clock } from "../../../protocol/base/clock.ts";
import { invariant } from "../../../protocol/base/invariant.ts";
import type { Random } from "../../../protocol/base/random.ts";
import { assignOffsets } from "../../../protocol/records/assign-offsets.ts";
import { type BatchInfo, leaderEpochAt, type ParsedBatch } from "../../../protocol/records/batch-header.ts";
import { openBatch } from "../../../protocol/records/decode-batch.ts";
import { encodeEndMarker } from "../../../protocol/records/end-marker.ts";
import { scanBatches } from "../../../protocol/records/validate-batches.ts";
import type { TopicSettings } from "../../runtime/config/topic-settings.ts";
import { LogCompaction } from "../compaction/log-compaction.ts";
import type { SegmentSizes } from "../files/clean-stop.ts";
import type { LogDirectory } from "../files/log-directory.ts";
import { ignoreOffline } from "../files/log-health.ts";
import {
  type AbortedRange,
  type EpochStart,
  type FoundRecord,
  type LeaderAppend,
  type Log,
  type LogDamage,
  type ProducerRow,
  type ReadOptions,
  type ReadResult,
  type VersionedMarker,
  WriteQueueFull,
} from "../log-contract.ts";
import { storeSnapshot } from "../producers/producer-files.ts";
import type { Segment } from "../segment/segment.ts";
import { forgetSegment } from "../segment/segment-files.ts";
import { closingEntry } from "../segment/segment-layout.ts";
import { abortedWithin } from "./aborted-lookup.ts";
import { epochsRise } from "./leader-epochs.ts";
import type { LookupTurns } from "./log-caches.ts";
import { LogFlusher } from "./log-flusher.ts";
import { LogReader } from "./log-reader.ts";
import { LogRetention, type RetentionMoment } from "./log-retention.ts";
import { LogState } from "./log-state.ts";
import { LogWriter } from "./log-writer.ts";
import type { LogPlace, OpenedLog } from "./opened-log.ts";
import { type CopyPace, FolderCopy, type RelocationSteps, relocate } from "./relocation.ts";
import { TimestampLookup } from "./timestamp-lookup.ts";
import { restartLog, truncateLog } from "./truncation.ts";

const tooMuchWaits = "too many bytes wait for the disk";

/** What a log gets from its directory and its broker. */
export interface LogParts extends LogPlace {
  readonly lookups: LookupTurns;
  readonly clock: Clock;
  readonly random: Random;
}

/** A log in its folder: the parts, and the rules that hold between them. */
export class SegmentedLog implements Log {
  readonly #clock: Clock;
  readonly #state: LogState;
  readonly #flusher: LogFlusher;
  readonly #writer: LogWriter;
  readonly #reader: LogReader;
  readonly #lookup: TimestampLookup;
  readonly #retention: LogRetention;
  readonly compaction: LogCompaction;
  /** A running check. */
  #retaining: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  #closedSizes: readonly SegmentSizes[] | null = null;

  /** `cleanedEndOffset`: how far compaction got before the last restart. */
  constructor(parts: LogParts, opened: OpenedLog, settings: TopicSettings, cleanedEndOffset = 0) {
    this.#clock = parts.clock;
    this.#state = new LogState(parts, settings, opened, cleanedEndOffset);
    this.#flusher = new LogFlusher(this.#state);
    this.#writer = new LogWriter(this.#state, this.#flusher, parts);
    this.#reader = new LogReader(this.#state, parts.tails.slabs);
    this.#lookup = new TimestampLookup(this.#state, parts.lookups, parts.clock);
    this.#retention = new LogRetention(this.#state, this.#flusher, this.#writer);
    this.compaction = new LogCompaction(this.#state, this.#flusher);
  }

  get startOffset(): number {
    return this.#state.startOffset;
  }

  get endOffset(): number {
    return this.#state.endOffset;
  }

  get writtenEndOffset(): number {
    return this.#state.writtenEndOffset;
  }

  get lastEpoch(): number {
    const { endOffset, epochs } = this.#state;
    return epochs.epochAt(endOffset - 1) ?? -1;
  }

  get recoveryPoint(): number {
    return this.#state.recoveryPoint;
  }

  get cleanedEndOffset(): number {
    return this.#state.cleanedEndOffset;
  }

  /** Or closed, or being abandoned. */
  get isClosing(): boolean {
    return this.#closing !== null || this.#state.closed;
  }

  /** Its files as they were closed, all of them on the disk. Null: it is not closed, or they need not be there. */
  get closedSizes(): readonly SegmentSizes[] | null {
    return this.#closedSizes;
  }

  /** The files alone do not show it, or would not after a crash. */
  get mustKeepStartOffset(): boolean {
    const { startOffset, segments, removalsUnsynced } = this.#state;
    return startOffset > segments[0]!.baseOffset || removalsUnsynced;
  }

  appendAsLeader(batch: ParsedBatch, leaderEpoch: number, appendTimeMs: number): LeaderAppend {
    const state = this.#state;
    this.#assertAppendable();
    invariant(leaderEpoch >= state.epochs.latest, "a leader's epoch is the latest", () => ({ leaderEpoch, latest: state.epochs.latest }));
    const settled = state.producers.judgeAppend(batch.header, state.settings, state.endOffset === 0);
    return settled ?? this.#lead(batch, leaderEpoch, appendTimeMs);
  }

  appendMarker(marker: VersionedMarker, leaderEpoch: number, appendTimeMs: number): LeaderAppend {
    const { epochs, producers, endOffset } = this.#state;
    this.#assertAppendable();
    invariant(leaderEpoch >= epochs.latest, "a leader's epoch is the latest", () => ({ leaderEpoch, latest: epochs.latest }));
    const verdict = producers.judgeMarker(marker);
    if (verdict.kind === "refused") return verdict;
    if (verdict.kind === "duplicate") return { kind: "duplicate", baseOffset: endOffset, endOffset, logAppendTimeMs: -1 };
    const bytes = encodeEndMarker(marker, appendTimeMs);
    return this.#lead({ bytes, header: openBatch(bytes, 0, { checkCrc: false }) }, leaderEpoch, appendTimeMs);
  }

  #lead(batch: ParsedBatch, leaderEpoch: number, appendTimeMs: number): LeaderAppend {
    const state = this.#state;
    const logAppendTimeMs = state.settings.messageTimestampType === "LogAppendTime" ? appendTimeMs : null;
    const baseOffset = state.endOffset;
    const refused = this.#refusal(batch.bytes);
    if (refused !== null) return refused;
    const assigned = assignOffsets(batch, { baseOffset, leaderEpoch, logAppendTimeMs });
    this.#append(batch.bytes, [assigned]);
    invariant(state.endOffset === assigned.lastOffset + 1, "the log ends where the offsets assigned end");
    return { kind: "appended", baseOffset, endOffset: state.endOffset, logAppendTimeMs: logAppendTimeMs ?? -1 };
  }

  appendAsFollower(batches: Buffer, leadersEpochs: readonly EpochStart[] = []): boolean {
    this.#assertAppendable();
    const scan = scanBatches(batches);
    const first = scan.batches[0];
    if (first === undefined || scan.tail.kind !== "clean" || !epochsRise(scan.batches, this.lastEpoch)) return false;
    if (!this.#writer.hasRoomFor(batches.length)) throw new WriteQueueFull(tooMuchWaits);
    invariant(first.baseOffset >= this.endOffset, "a follower appends behind its end", () => ({
      baseOffset: first.baseOffset,
      endOffset: this.endOffset,
    }));
    this.#append(batches, scan.batches, leadersEpochs);
    return true;
  }

  written(offset: number): Promise<void> {
    invariant(offset <= this.#state.endOffset, "only what was appended is waited for", () => ({ offset, endOffset: this.endOffset }));
    return this.#writer.written(offset);
  }

  onWritten(listener: (writtenEndOffset: number) => void): () => void {
    return this.#writer.onWritten(listener);
  }

  read(fromOffset: number, options: ReadOptions): Promise<ReadResult> {
    return this.#reader.read(fromOffset, options);
  }

  isCached(fromOffset: number): boolean {
    return this.#state.tail.covers(fromOffset);
  }

  endOffsetForEpoch(epoch: number): { readonly epoch: number; readonly endOffset: number } | null {
    return this.#state.epochs.endOffsetFor(epoch, this.#state.writtenEndOffset);
  }

  epochsFrom(offset: number): readonly EpochStart[] {
    return this.#state.epochs.from(offset);
  }

  epochAt(offset: number): number | null {
    const { startOffset, endOffset, epochs } = this.#state;
    return offset < startOffset || offset >= endOffset ? null : epochs.epochAt(offset);
  }

  beginEpoch(epoch: number): void {
    const { epochs, endOffset } = this.#state;
    this.#assertAppendable();
    epochs.begin(epoch, endOffset);
  }

  producerRows(): ProducerRow[] {
    return this.#state.producers.rows();
  }

  expireProducers(nowMs: number, expirationMs: number): void {
    this.#state.producers.expire(nowMs, expirationMs);
  }

  firstUnstableOffset(highWatermark: number): number | null {
    const { producers, startOffset } = this.#state;
    const firstOffset = producers.firstUnstableOffset(highWatermark);
    return firstOffset === null ? null : Math.max(firstOffset, startOffset);
  }

  async abortedWithin(fromOffset: number, endOffset: number): Promise<readonly AbortedRange[]> {
    const aborted = await abortedWithin(this.#state, fromOffset, endOffset);
    return aborted.map(({ producerId, firstOffset }) => ({ producerId, firstOffset }));
  }

  openTransactionOf(producerId: number, producerEpoch?: number): number | null {
    return this.#state.producers.openTransactionOf(producerId, producerEpoch);
  }

  findByTimestamp(timestampMs: number): Promise<FoundRecord | null> {
    return this.#lookup.findByTimestamp(timestampMs);
  }

  findMaxTimestamp(): Promise<FoundRecord | null> {
    return this.#lookup.findMaxTimestamp();
  }

  async truncateTo(offset: number): Promise<void> {
    invariant(offset >= 0, "an offset to cut at", () => ({ offset }));
    const restart = offset < this.#state.segments[0]!.baseOffset;
    await this.#cut(() => (restart ? restartLog : truncateLog)(this.#state, this.#flusher, this.#clock, offset));
  }

  async truncateFullyAndStartAt(offset: number): Promise<void> {
    invariant(Number.isSafeInteger(offset) && offset >= 0, "an offset to start at", () => ({ offset }));
    await this.#cut(() => restartLog(this.#state, this.#flusher, this.#clock, offset));
  }

  get damage(): LogDamage | null {
    return this.#state.damage.first;
  }

  onDamaged(listener: (damage: LogDamage) => void): () => void {
    return this.#state.damage.onDamaged(listener);
  }

  async advanceStartOffset(offset: number): Promise<void> {
    this.#assertAppendable();
    if (offset <= this.startOffset) return this.#retention.durable;
    await this.#retention.startAt(offset);
    void this.#retention.removeBelowStart().catch(ignoreOffline);
  }

  retain(moment: RetentionMoment): Promise<void> {
    if (this.isClosing) return Promise.resolve();
    this.#retaining ??= this.#retention.retain(moment).finally(() => {
      this.#retaining = null;
    });
    return this.#retaining;
  }

  get sizeInBytes(): number {
    return this.#state.segments.reduce((sum, segment) => sum + segment.sizeInBytes, 0);
  }

  /** A copy of this log, to be made in another directory. */
  copyTo(target: LogDirectory, folder: string, pace: CopyPace): FolderCopy {
    return new FolderCopy(this.#state, { target, folder, pace });
  }

  /** See `relocate`. */
  async moveInto(copy: FolderCopy, steps: RelocationSteps): Promise<boolean> {
    await this.#retaining?.catch(() => undefined);
    return relocate(this.#state, this.#flusher, this.#writer, copy, steps);
  }

  flush(): Promise<void> {
    return this.#flusher.flush();
  }

  updateSettings(settings: TopicSettings): void {
    const { flushMs } = this.#state.settings;
    this.#state.settingsChanged(settings);
    if (settings.flushMs !== flushMs) this.#writer.flushMsChanged();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Closes the files as they are: the log's folder is being deleted, or its directory failed. */
  async abandon(): Promise<void> {
    await this.#retaining?.catch(() => undefined);
    await this.#writer.drained().catch(() => undefined);
    this.#state.close();
    await this.compaction.ended();
    await this.#flusher.end();
    await this.#release();
  }

  #append(bytes: Buffer, batches: readonly BatchInfo[], leadersEpochs: readonly EpochStart[] = []): void {
    const { epochs } = this.#state;
    let { endOffset } = this.#state;
    for (const { leaderEpoch: epoch, baseOffset: firstOffset, lastOffset } of batches) {
      if (leadersEpochs.length > 0) epochs.learn(leadersEpochs, { epoch, firstOffset, endOffset });
      if (epoch >= 0) epochs.begin(epoch, firstOffset);
      endOffset = lastOffset + 1;
    }
    this.#writer.enqueue(bytes, batches);
    invariant(leaderEpochAt(bytes, 0) === batches[0]!.leaderEpoch, "bytes and batches belong together");
  }

  /**
   * Failures that have nothing to do with the batch, and do not end the broker: a disk that stalls while too much waits for it, and a log
   * that has no offsets left (its files were set up like that).
   */
  #refusal(batch: Buffer): LeaderAppend | null {
    if (!this.#writer.hasRoomFor(batch.length)) return { kind: "refused", error: "NOT_ENOUGH_REPLICAS", message: tooMuchWaits };
    // no batch has more records than bytes
    if (this.endOffset + batch.length < Number.MAX_SAFE_INTEGER) return null;
    return { kind: "refused", error: "INVALID_RECORD", message: `the log ends at offset ${this.endOffset}: there are none left` };
  }

  #assertAppendable(): void {
    const { directory, truncating, closed, folder } = this.#state;
    directory.health.assertOnline();
    invariant(truncating === null && !closed, "nothing is appended while the log is cut, or closed", () => ({ folder, closed }));
  }

  async #cut(work: () => Promise<void>): Promise<void> {
    const state = this.#state;
    this.#assertAppendable();
    const done = this.#writer.drained().then(() => this.#flusher.exclusive(work));
    state.cutBegun(done);
    try {
      await done;
    } finally {
      state.cutOver();
    }
  }

  async #close(): Promise<void> {
    const state = this.#state;
    const { files } = state.io;
    await state.truncating;
    // whatever it failed with, its own caller has it
    await this.#retaining?.catch(() => undefined);
    await this.#writer.drained();
    state.close();
    await this.compaction.ended();
    await this.#flusher.flush();
    await this.#flusher.exclusive(async () => {
      if (!state.isPristine) {
        const { offsets, times, aborted } = state.last.writable;
        const closing = closingEntry(state.layout);
        if (closing !== null) times.append(closing);
        await offsets.store(files, { sync: true });
        await times.store(files, { sync: true });
        await aborted.store(files, { sync: true });
        if (aborted.entries > 0) await files.syncDirectory(state.folder);
        await this.#storeProducers();
      }
      if (!state.namesUnsynced) this.#closedSizes = state.segments.map(sizesOf);
    });
    await this.#release();
    state.directory.health.assertOnline();
  }

  /** So that the next opening reads no segment. An empty log needs none. */
  async #storeProducers(): Promise<void> {
    const { io, folder, producers, snapshotOffset, segments, endOffset } = this.#state;
    if (endOffset === (snapshotOffset ?? segments[0]!.baseOffset)) return;
    await storeSnapshot(io.files, folder, endOffset, producers.encode());
    this.#state.snapshotted(endOffset);
  }

  async #release(): Promise<void> {
    const state = this.#state;
    this.#writer.close();
    state.tail.clear();
    state.producers.clear();
    await this.#flusher.takeSealedFrom(-1);
    await state.last.growing?.file.close();
    for (const { folder, baseOffset } of state.segments) await forgetSegment(state.io, folder, baseOffset);
  }
}

function sizesOf({ baseOffset, sizeInBytes, indexBytes }: Segment): SegmentSizes {
  const { index = -1, timeindex = -1, txnindex = -1 } = indexBytes ?? {};
  return { baseOffset, log: sizeInBytes, index, timeindex, txnindex };
}
