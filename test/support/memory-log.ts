import {
  type AbortedRange,
  type FoundRecord,
  type LeaderAppend,
  type Log,
  type LogDamage,
  LogOffline,
  OffsetOutOfLog,
  type ProducerRow,
  type ReadOptions,
  type ReadResult,
  type VersionedMarker,
} from "../../broker/log/log-contract.ts";
import { ProducerStates } from "../../broker/log/producers/producer-states.ts";
import type { AbortedTransaction } from "../../broker/log/segment/aborted-index.ts";
import { type DirectoryFailure, InconsistentTopicId, type LogStore } from "../../broker/log/store-contract.ts";
import type { TopicSettings } from "../../broker/runtime/config/topic-settings.ts";
import { InvariantViolation, invariant } from "../../protocol/base/invariant.ts";
import { assignOffsets } from "../../protocol/records/assign-offsets.ts";
import type { BatchInfo, ParsedBatch } from "../../protocol/records/batch-header.ts";
import { openBatch } from "../../protocol/records/decode-batch.ts";
import { encodeBatch } from "../../protocol/records/encode-batch.ts";
import { encodeEndMarker, readEndMarker } from "../../protocol/records/end-marker.ts";
import { scanBatches } from "../../protocol/records/validate-batches.ts";

export { testSettings } from "./test-settings.ts";

/** A log in memory with the same contract. "Writing" happens in a later microtask, or when the test lets it. */
export class MemoryLog implements Log {
  startOffset = 0;
  endOffset = 0;
  writtenEndOffset = 0;
  settings: TopicSettings;
  /** While true, appends stay queued. */
  isHeld = false;
  truncations: number[] = [];
  #batches: {
    readonly baseOffset: number;
    readonly endOffset: number;
    readonly epoch: number;
    readonly timestampMs: number;
    readonly bytes: Buffer;
  }[] = [];
  #epochs: { readonly epoch: number; readonly startOffset: number }[] = [];
  #listeners = new Set<(writtenEndOffset: number) => void>();
  #waiting: { readonly offset: number; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  readonly #producers = new ProducerStates();
  #aborted: AbortedTransaction[] = [];
  #isOffline = false;
  #isScheduled = false;

  constructor(settings: TopicSettings) {
    this.settings = settings;
  }

  get sizeInBytes(): number {
    return this.#batches.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  get lastEpoch(): number {
    return this.#batches.at(-1)?.epoch ?? -1;
  }

  /** Offsets, epochs and bytes of everything, for comparing two replicas. */
  get content(): { readonly baseOffset: number; readonly epoch: number; readonly hex: string }[] {
    return this.#batches.map(({ baseOffset, epoch, bytes }) => ({ baseOffset, epoch, hex: bytes.toString("hex") }));
  }

  appendAsLeader(batch: ParsedBatch, leaderEpoch: number, appendTimeMs: number): LeaderAppend {
    if (this.#isOffline) throw new LogOffline("offline");
    const settled = this.#producers.judgeAppend(batch.header, this.settings, this.endOffset === 0);
    if (settled !== null) return settled;
    const isLogAppendTime = this.settings.messageTimestampType === "LogAppendTime";
    const baseOffset = this.endOffset;
    assignOffsets(batch, { baseOffset, leaderEpoch, logAppendTimeMs: isLogAppendTime ? appendTimeMs : null });
    this.#take(batch.bytes);
    return { kind: "appended", baseOffset, endOffset: this.endOffset, logAppendTimeMs: isLogAppendTime ? appendTimeMs : -1 };
  }

  appendMarker(marker: VersionedMarker, leaderEpoch: number, appendTimeMs: number): LeaderAppend {
    if (this.#isOffline) throw new LogOffline("offline");
    const { endOffset: baseOffset } = this;
    const verdict = this.#producers.judgeMarker(marker);
    if (verdict.kind === "refused") return verdict;
    if (verdict.kind === "duplicate") return { kind: "duplicate", baseOffset, endOffset: baseOffset, logAppendTimeMs: -1 };
    const bytes = encodeEndMarker(marker, appendTimeMs);
    assignOffsets({ bytes, header: openBatch(bytes) }, { baseOffset, leaderEpoch, logAppendTimeMs: null });
    this.#take(bytes);
    return { kind: "appended", baseOffset, endOffset: this.endOffset, logAppendTimeMs: -1 };
  }

  firstUnstableOffset(highWatermark: number): number | null {
    const firstOffset = this.#producers.firstUnstableOffset(highWatermark);
    return firstOffset === null ? null : Math.max(firstOffset, this.startOffset);
  }

  async abortedWithin(fromOffset: number, endOffset: number): Promise<readonly AbortedRange[]> {
    await Promise.resolve();
    const within = this.#aborted.filter(({ firstOffset, offset }) => firstOffset < endOffset && offset >= fromOffset);
    return within.map(({ producerId, firstOffset }) => ({ producerId, firstOffset }));
  }

  openTransactionOf(producerId: number, producerEpoch?: number): number | null {
    return this.#producers.openTransactionOf(producerId, producerEpoch);
  }

  appendAsFollower(batches: Buffer, leadersEpochs: readonly { readonly epoch: number; readonly startOffset: number }[] = []): boolean {
    if (this.#isOffline) throw new LogOffline("offline");
    if (scanBatches(batches).tail.kind !== "clean") return false;
    this.#take(batches, leadersEpochs);
    return true;
  }

  written(offset: number): Promise<void> {
    if (this.#isOffline) return Promise.reject(new LogOffline("offline"));
    if (this.writtenEndOffset >= offset) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ offset, resolve, reject }));
  }

  onWritten(listener: (writtenEndOffset: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Lets held appends be written. */
  release(): void {
    this.isHeld = false;
    this.#write();
  }

  failWith(error: LogOffline): void {
    this.#isOffline = true;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  async read(fromOffset: number, { maxBytes, endOffsetLimit, minOneBatch }: ReadOptions): Promise<ReadResult> {
    await Promise.resolve();
    if (fromOffset < this.startOffset || fromOffset > this.writtenEndOffset) throw new OffsetOutOfLog(`${fromOffset}`);
    const chunks: Buffer[] = [];
    let sizeInBytes = 0;
    for (const batch of this.#batches) {
      if (batch.endOffset <= fromOffset) continue;
      if (batch.endOffset > Math.min(endOffsetLimit, this.writtenEndOffset)) break;
      if (sizeInBytes + batch.bytes.length > maxBytes && !(minOneBatch && sizeInBytes === 0)) break;
      chunks.push(batch.bytes);
      sizeInBytes += batch.bytes.length;
    }
    return { chunks, sizeInBytes };
  }

  isCached(): boolean {
    return true;
  }

  endOffsetForEpoch(epoch: number): { readonly epoch: number; readonly endOffset: number } | null {
    const at = this.#epochs.findLastIndex((entry) => entry.epoch <= epoch);
    const found = this.#epochs[at];
    if (found === undefined) return null;
    return { epoch: found.epoch, endOffset: Math.min(this.#epochs[at + 1]?.startOffset ?? this.writtenEndOffset, this.writtenEndOffset) };
  }

  epochsFrom(offset: number): { readonly epoch: number; readonly startOffset: number }[] {
    const at = this.#epochs.findLastIndex(({ startOffset }) => startOffset <= offset);
    return this.#epochs.slice(Math.max(at, 0));
  }

  epochAt(offset: number): number | null {
    if (offset < this.startOffset || offset >= this.endOffset) return null;
    return this.#epochs.findLast((entry) => entry.startOffset <= offset)?.epoch ?? null;
  }

  beginEpoch(epoch: number): void {
    if ((this.#epochs.at(-1)?.epoch ?? -1) === epoch) return;
    this.#epochs = this.#epochs.filter(({ startOffset }) => startOffset < this.endOffset);
    const last = this.#epochs.at(-1);
    invariant(last === undefined || last.epoch < epoch, "epochs rise", () => ({ last, epoch }));
    this.#epochs.push({ epoch, startOffset: this.endOffset });
  }

  producerRows(): ProducerRow[] {
    return this.#producers.rows();
  }

  expireProducers(nowMs: number, expirationMs: number): void {
    this.#producers.expire(nowMs, expirationMs);
  }

  async findByTimestamp(timestampMs: number): Promise<FoundRecord | null> {
    const batch = this.#batches.find((one) => one.timestampMs >= timestampMs);
    return batch === undefined ? null : { offset: batch.baseOffset, timestampMs: batch.timestampMs, leaderEpoch: batch.epoch };
  }

  async findMaxTimestamp(): Promise<FoundRecord | null> {
    const latest = Math.max(...this.#batches.map(({ timestampMs }) => timestampMs));
    return this.findByTimestamp(latest);
  }

  async truncateTo(offset: number): Promise<void> {
    await Promise.resolve();
    if (offset < this.endOffset) this.truncations.push(offset);
    this.#batches = this.#batches.filter(({ endOffset }) => endOffset <= offset);
    this.endOffset = this.writtenEndOffset = Math.max(this.#batches.at(-1)?.endOffset ?? this.startOffset, this.startOffset);
    this.#epochs = this.#epochs.filter(({ startOffset }) => startOffset < this.endOffset);
    this.#rebuildProducers();
  }

  async truncateFullyAndStartAt(offset: number): Promise<void> {
    await Promise.resolve();
    this.#batches = [];
    this.#epochs = [];
    this.#rebuildProducers();
    this.startOffset = this.endOffset = this.writtenEndOffset = offset;
    this.damage = null;
  }

  async advanceStartOffset(offset: number): Promise<void> {
    if (offset > this.startOffset) this.deleteBelow(offset);
    await Promise.resolve();
  }

  async retain(): Promise<void> {}

  /** As retention does: batches that end at or below are removed. */
  deleteBelow(offset: number): void {
    this.#batches = this.#batches.filter(({ endOffset }) => endOffset > offset);
    this.startOffset = offset;
  }

  damage: LogDamage | null = null;
  readonly #damaged = new Set<(damage: LogDamage) => void>();

  onDamaged(listener: (damage: LogDamage) => void): () => void {
    this.#damaged.add(listener);
    return () => this.#damaged.delete(listener);
  }

  /** As if a read had found it. */
  becomeDamaged(damage: LogDamage): void {
    this.damage = damage;
    for (const listener of this.#damaged) listener(damage);
  }

  async flush(): Promise<void> {}
  async close(): Promise<void> {}

  updateSettings(settings: TopicSettings): void {
    this.settings = settings;
  }

  #take(bytes: Buffer, leadersEpochs: readonly { readonly epoch: number; readonly startOffset: number }[] = []): void {
    const { batches } = scanBatches(bytes, { checkCrc: false });
    for (const batch of batches) {
      if (batch.baseOffset < this.endOffset) throw new InvariantViolation("batches continue the log", { batch, end: this.endOffset });
      for (const { epoch, startOffset } of leadersEpochs)
        if (epoch > (this.#epochs.at(-1)?.epoch ?? -1) && epoch <= batch.leaderEpoch && startOffset <= batch.baseOffset)
          this.#epochs.push({ epoch, startOffset: Math.max(startOffset, this.endOffset) });
      if ((this.#epochs.at(-1)?.epoch ?? -1) > batch.leaderEpoch)
        throw new InvariantViolation("leader epochs only rise", { batch, epochs: this.#epochs });
      if ((this.#epochs.at(-1)?.epoch ?? -1) < batch.leaderEpoch)
        this.#epochs.push({ epoch: batch.leaderEpoch, startOffset: batch.baseOffset });
      this.endOffset = batch.lastOffset + 1;
      this.#note(bytes, batch);
      this.#batches.push({
        baseOffset: batch.baseOffset,
        endOffset: this.endOffset,
        epoch: batch.leaderEpoch,
        timestampMs: batch.maxTimestampMs,
        bytes: bytes.subarray(batch.position, batch.position + batch.sizeInBytes),
      });
    }
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (!this.isHeld) this.#write();
    });
  }

  #rebuildProducers(): void {
    this.#producers.clear();
    this.#aborted = [];
    for (const { bytes } of this.#batches) for (const batch of scanBatches(bytes).batches) this.#note(bytes, batch);
  }

  #note(bytes: Buffer, batch: BatchInfo): void {
    const aborted = this.#producers.note(batch, readEndMarker(bytes, batch));
    if (aborted !== null) this.#aborted.push(aborted);
  }

  #write(): void {
    if (this.#isOffline || this.writtenEndOffset >= this.endOffset) return;
    this.writtenEndOffset = this.endOffset;
    for (const listener of this.#listeners) listener(this.writtenEndOffset);
    const due = this.#waiting.filter(({ offset }) => offset <= this.writtenEndOffset);
    this.#waiting = this.#waiting.filter(({ offset }) => offset > this.writtenEndOffset);
    for (const { resolve } of due) resolve();
  }
}

/** The logs of one broker; they survive a "restart" when the store is handed to the next table. */
export class MemoryLogStore implements LogStore {
  readonly logs = new Map<string, { readonly log: MemoryLog; readonly topicId: string }>();
  strays: { readonly key: string; readonly log: MemoryLog; readonly topicId: string; readonly highWatermark: number }[] = [];
  highWatermarks: ReadonlyMap<string, number> = new Map();
  readonly #offline = new Set<(failure: DirectoryFailure) => void>();

  get found(): LogStore["found"] {
    return [...this.logs].map(([key, { topicId }]) => {
      const cut = key.lastIndexOf("-");
      return { topic: key.slice(0, cut), partition: Number(key.slice(cut + 1)), topicId };
    });
  }

  async open(topic: string, partition: number, topicId: string, settings: TopicSettings): Promise<MemoryLog> {
    await Promise.resolve();
    const key = `${topic}-${partition}`;
    const known = this.logs.get(key);
    if (known !== undefined && known.topicId !== topicId) throw new InconsistentTopicId(key);
    if (known !== undefined) return known.log;
    const log = new MemoryLog(settings);
    this.logs.set(key, { log, topicId });
    return log;
  }

  async delete(topic: string, partition: number, topicId: string): Promise<boolean> {
    const key = `${topic}-${partition}`;
    return this.logs.get(key)?.topicId === topicId && this.logs.delete(key);
  }

  async setAside(topic: string, partition: number, { topicId, highWatermark }: Parameters<LogStore["setAside"]>[2]): Promise<boolean> {
    const key = `${topic}-${partition}`;
    const known = this.logs.get(key);
    if (known === undefined || (topicId !== null && known.topicId !== topicId)) return false;
    this.logs.delete(key);
    this.strays.push({ key, ...known, highWatermark });
    return true;
  }

  async takeUp(topic: string, partition: number, topicId: string, restored: (highWatermark: number) => Promise<void>): Promise<void> {
    const key = `${topic}-${partition}`;
    const at = this.strays.findIndex((stray) => stray.key === key && stray.topicId === topicId);
    if (at < 0 || this.logs.has(key)) return;
    const [stray] = this.strays.splice(at, 1);
    if (stray === undefined) return;
    this.logs.set(key, stray);
    await restored(stray.highWatermark);
  }

  async deleteStrays(topicIds: ReadonlySet<string>): Promise<void> {
    this.strays = this.strays.filter(({ topicId }) => !topicIds.has(topicId));
  }

  async expireStrays(): Promise<void> {}

  readonly mayLieOffline = false;

  async checkpointHighWatermarks(highWatermarks: ReadonlyMap<string, number>): Promise<void> {
    this.highWatermarks = highWatermarks;
  }

  startCleaning(): void {}

  reconfigureCleaning(): void {}

  onOffline(listener: (failure: DirectoryFailure) => void): void {
    this.#offline.add(listener);
  }

  fail(): void {
    const error = new LogOffline("disk full");
    for (const { log } of this.logs.values()) log.failWith(error);
    for (const listener of this.#offline) listener({ directory: "/logs", error, holds: () => true });
  }

  async close(): Promise<void> {}
}

/** A batch as a producer sends it: `count` records, told apart by `fill`. */
export function producedBatch(count = 1, fill = "x", timestampMs = 1000): Buffer {
  return encodeBatch(recordsFilledWith(count, fill, timestampMs));
}

function recordsFilledWith(count: number, fill = "x", timestampMs = 1000) {
  return Array.from({ length: count }, () => ({ key: null, value: Buffer.from(fill), timestampMs }));
}

/** A batch of an idempotent producer with epoch 0. */
export function idempotentBatch(producerId: number, baseSequence: number, count = 1, producerEpoch = 0): Buffer {
  return encodeBatch(recordsFilledWith(count), { producerId, producerEpoch, baseSequence });
}
