import { expect } from "vitest";
import type { TopicSettings } from "../../../broker/runtime/config/topic-settings.ts";
import type { Found } from "./compaction/compaction-fixture.ts";
import { ofLastEpoch, type StoredBatch } from "./producer-model.ts";

export interface ModelRecord extends Found {
  /** Of its batch. */
  readonly batchLast: number;
  readonly leaderEpoch: number;
  /** Compaction took it. */
  isGone: boolean;
  /**
   * It was below the start when compaction may have come to it: should the start go back, it may be missing for whatever reason there was
   * then.
   */
  isUnknown: boolean;
  /** When a round first covered it; a tombstone may leave `delete.retention.ms` later. */
  coveredAtMs: number | null;
}

export interface ModelBatch {
  /**
   * As its producer sent it, and where it is; producer id -1: not idempotent. With the timestamp that the log knows it by: the largest of
   * what compaction left, once it has read that.
   */
  stored: StoredBatch;
  readonly lastOffset: number;
  readonly leaderEpoch: number;
  readonly records: readonly ModelRecord[];
  /** False: the log may have forgotten that its producer wrote it. */
  isRemembered: boolean;
}

/**
 * All batches ever appended and not cut, and what may have happened to them since: enough to say what a log must hold, what it may have
 * lost, and what it must answer.
 */
export class WholeModel {
  batches: ModelBatch[] = [];
  startOffset = 0;
  endOffset = 0;
  /** Which epoch began where. */
  epochStarts: { readonly epoch: number; readonly startOffset: number }[] = [];
  /** Compaction came no further. */
  coveredTo = 0;
  /** An offset is missing somewhere, or a batch is. */
  hasGaps = false;
  /** One may also be missing below the start. */
  wasCompacted = false;
  /** Where the log began when it last started over. */
  #origin = 0;
  /** What the last cut took, which may have superseded what compaction took meanwhile. */
  #justCut: readonly ModelRecord[] = [];
  /** A cut went into what was compacted: what the log knows of batches that are gone may be lost in a crash. */
  isBlurred = false;
  /** Producers were forgotten up to there: until the log is opened again, or cut. */
  #forgotten: { readonly producerId: number; readonly endOffset: number }[] = [];

  get records(): ModelRecord[] {
    return this.batches.flatMap(({ records }) => records);
  }

  /** What readers see. */
  get visible(): ModelRecord[] {
    return this.records.filter(({ offset, isGone }) => offset >= this.startOffset && !isGone);
  }

  /** Of the last batch that is not wholly below the start. */
  get lastEpoch(): number {
    const last = this.batches.at(-1);
    return last !== undefined && last.lastOffset >= this.startOffset ? last.leaderEpoch : -1;
  }

  get latestEpoch(): number {
    return this.epochStarts.at(-1)?.epoch ?? -1;
  }

  /** What `producerId` wrote under its latest epoch, the last five batches of it. */
  remembered(producerId: number): StoredBatch[] {
    const ofProducer = this.batches.filter(({ stored, isRemembered }) => isRemembered && stored.producerId === producerId);
    return ofLastEpoch(ofProducer.map(({ stored }) => stored));
  }

  get producerIds(): number[] {
    return [...new Set(this.batches.map(({ stored }) => stored.producerId))].filter((id) => id !== -1);
  }

  append(stored: StoredBatch, leaderEpoch: number, entries: readonly Omit<Found, "offset">[]): void {
    const { baseOffset } = stored;
    this.hasGaps ||= baseOffset > this.endOffset;
    this.beginEpoch(leaderEpoch, baseOffset);
    const lastOffset = baseOffset + entries.length - 1;
    const rest = { batchLast: lastOffset, leaderEpoch, isGone: false, isUnknown: false, coveredAtMs: null };
    const records = entries.map((entry, i) => ({ offset: baseOffset + i, ...entry, ...rest }));
    this.batches.push({ stored, lastOffset, leaderEpoch, records, isRemembered: true });
    this.endOffset = lastOffset + 1;
  }

  /** An epoch that began there without a record gives way. */
  beginEpoch(epoch: number, startOffset: number): void {
    if (this.latestEpoch === epoch) return;
    this.#cutEpochs(startOffset);
    this.epochStarts.push({ epoch, startOffset });
  }

  expire(nowMs: number, expirationMs: number): void {
    for (const producerId of this.producerIds) {
      const last = this.remembered(producerId).at(-1);
      if (last === undefined || nowMs - last.timestampMs < expirationMs) continue;
      this.#forgotten.push({ producerId, endOffset: this.endOffset });
      for (const batch of this.batches) if (batch.stored.producerId === producerId) batch.isRemembered = false;
    }
  }

  startAt(offset: number): void {
    expect(
      offset >= this.startOffset && offset <= this.endOffset,
      `a start at ${offset}, in [${this.startOffset}, ${this.endOffset}]`,
    ).toBe(true);
    this.startOffset = offset;
  }

  restartAt(offset: number): void {
    this.batches = [];
    this.epochStarts = [];
    this.#forgotten = [];
    this.isBlurred = false;
    this.#origin = this.startOffset = this.endOffset = offset;
    this.coveredTo = 0;
  }

  /** The log ended at `endOffset` after it was cut at `offset`. */
  cut(offset: number, endOffset: number): void {
    if (offset >= this.endOffset) {
      expect(endOffset).toBe(this.endOffset);
      this.#cutEpochs(offset);
      return;
    }
    const [first, last] = this.endsAfterCut(offset);
    expect(endOffset >= first && endOffset <= last, `cut at ${offset} it ends at ${endOffset}, not in [${first}, ${last}]`).toBeTruthy();
    this.endAt(endOffset);
  }

  /** Where a cut at `offset` may leave the end: what compaction took of the batches before is not known. */
  endsAfterCut(offset: number): readonly [number, number] {
    const whole = this.batches.filter(({ lastOffset }) => lastOffset < offset);
    const farthest = Math.max(this.#origin, ...whole.map(({ lastOffset }) => lastOffset + 1));
    const isThere = ({ offset, isGone }: ModelRecord) => !isGone && offset >= this.startOffset;
    const present = whole.filter(({ records, lastOffset }) => lastOffset >= this.coveredTo || records.some(isThere));
    const nearest = Math.max(this.#origin, ...present.map(({ lastOffset }) => lastOffset + 1));
    return [nearest, farthest];
  }

  /** Batches from there on are gone: it was cut, or a crash took them. Epochs that began without a record may be. */
  endAt(endOffset: number): void {
    const inside = this.batches.find(({ stored, lastOffset }) => stored.baseOffset < endOffset && lastOffset >= endOffset);
    expect(inside, `the log ends at ${endOffset}, inside of a batch`).toBe(undefined);
    this.#justCut = this.records.filter(({ offset }) => offset >= endOffset);
    this.batches = this.batches.filter(({ lastOffset }) => lastOffset < endOffset);
    this.endOffset = endOffset;
    this.startOffset = Math.min(this.startOffset, endOffset);
    this.#cutEpochs(endOffset);
  }

  #cutEpochs(endOffset: number): void {
    this.epochStarts = this.epochStarts.filter(({ startOffset }) => startOffset < endOffset);
  }

  /** Compaction may have been through everything below `limit`, as far as it is old enough. */
  covered(limit: number, nowMs: number, { minCompactionLagMs }: TopicSettings): void {
    const isYoung = ({ offset, timestampMs }: ModelRecord) => offset >= this.coveredTo && timestampMs > nowMs - minCompactionLagMs;
    const young = minCompactionLagMs > 0 ? this.visible.find(isYoung) : undefined;
    this.coveredTo = Math.max(this.coveredTo, Math.min(limit, young?.offset ?? limit));
    this.wasCompacted ||= this.coveredTo > 0;
    for (const record of this.records)
      if (record.offset < this.coveredTo) record.coveredAtMs = Math.min(record.coveredAtMs ?? nowMs, nowMs);
  }

  /** Records that are not there any more: only what compaction may take may be gone. */
  lose(found: readonly Found[], nowMs: number, deleteRetentionMs: number): void {
    const there = new Set(found.map(({ offset }) => offset));
    const newest = new Map<string, number>();
    for (const { key, offset } of [...this.records, ...this.#justCut]) if (key !== null && offset < this.coveredTo) newest.set(key, offset);
    for (const record of this.records) {
      const { offset, key, value, coveredAtMs } = record;
      if (offset < this.startOffset) {
        record.isUnknown ||= offset < this.coveredTo;
        continue;
      }
      if (there.has(offset)) record.isGone = false; // a crash brought it back
      if (there.has(offset) || record.isGone) continue;
      const isSuperseded = key === null || newest.get(key)! > offset;
      const isExpired = value === null && coveredAtMs !== null && coveredAtMs + deleteRetentionMs <= nowMs;
      const story = `${offset} (${key}: ${value}) is gone; compaction may have come to ${this.coveredTo}, covered it at ${coveredAtMs}, now ${nowMs}`;
      expect(offset < this.coveredTo && (isSuperseded || isExpired || record.isUnknown), story).toBeTruthy();
      record.isGone = true;
      this.hasGaps = true;
    }
    this.#justCut = [];
    this.coveredTo = Math.min(this.coveredTo, this.endOffset);
  }

  /**
   * The log read its producers from its files. Those that it had forgotten may be back. `isWhole` false: a cut into what was compacted,
   * where it may know less, and other timestamps, but nothing that is not true, and all of the last batches that are still there. What was
   * compacted is in the segment that is written then, so that holds from then on.
   */
  reloaded(rows: readonly StoredBatch[], isWhole: boolean): void {
    this.isBlurred ||= !isWhole;
    const isExact = !this.isBlurred;
    this.#adoptTimestamps(rows);
    for (const producerId of this.producerIds) {
      const told = rows.filter((row) => row.producerId === producerId).map(textOf);
      const all = this.batches.filter(({ stored }) => stored.producerId === producerId);
      const marks = [...this.#forgotten.filter((mark) => mark.producerId === producerId).map(({ endOffset }) => endOffset), 0];
      const fits = (mark: number) => {
        for (const batch of all) batch.isRemembered = batch.stored.baseOffset >= mark;
        return this.remembered(producerId).map(textOf).join() === told.join();
      };
      const isOneOf = marks.some(fits);
      if (isExact) {
        if (!isOneOf) marks.slice(0, 1).forEach(fits);
        continue;
      }
      // batches of earlier epochs that do not show now may be forgotten as well, and would show again after a cut
      for (const batch of all) batch.isRemembered = told.includes(textOf(batch.stored));
      if (isOneOf) continue;
      const truth = new Set(all.map(({ stored }) => textOf(stored)));
      for (const row of told) expect(truth.has(row), `the log remembers ${row}, which is not in it`).toBeTruthy();
      const last = all.at(-1)!;
      const isThere = last.records.some(({ isGone, offset }) => !isGone && offset >= this.startOffset);
      if (isThere)
        expect(told.includes(textOf(last.stored)), `the log does not remember ${textOf(last.stored)}, which is there`).toBeTruthy();
    }
  }

  #adoptTimestamps(rows: readonly StoredBatch[]): void {
    for (const batch of this.batches) {
      const row = rows.find((other) => textOf(other) === textOf(batch.stored));
      if (row === undefined || row.timestampMs === batch.stored.timestampMs) continue;
      const largest = Math.max(...batch.records.map(({ timestampMs }) => timestampMs));
      const story = `${textOf(row)} has timestamp ${row.timestampMs}, was ${batch.stored.timestampMs}; compaction may have come to ${this.coveredTo}`;
      expect(row.baseOffset < this.coveredTo && row.timestampMs <= largest, story).toBeTruthy();
      batch.stored = { ...batch.stored, timestampMs: row.timestampMs };
    }
  }
}

function textOf({ producerId, epoch, sequence, count, baseOffset }: StoredBatch): string {
  return [producerId, epoch, sequence, count, baseOffset].join(" ");
}
