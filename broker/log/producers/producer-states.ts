import { invariant } from "../../../protocol/base/invariant.ts";
import { type BatchInfo, noProducerId } from "../../../protocol/records/batch-header.ts";
import type { EndMarker } from "../../../protocol/records/end-marker.ts";
import type { TopicSettings } from "../../runtime/config/topic-settings.ts";
import type { LeaderAppend, ProducerRow, VersionedMarker } from "../log-contract.ts";
import type { AbortedTransaction } from "../segment/aborted-index.ts";
import { judgeBatch, judgeMarker, type MarkerVerdict, ProducerEntry } from "./producer-entry.ts";
import { encodeSnapshot } from "./producer-snapshot.ts";
import { TransactionSpans } from "./transaction-spans.ts";

/** When there are too many producers, a log that needs one more forgets this part of its own: those that wrote least recently. */
const forgottenPart = 0.1;
/** Searching for them takes time in proportion to all producers: it is done only where at least this part of them may be forgotten. */
const forgettablePart = 0.01;

/**
 * What a log knows of the producers that wrote to it with an id: a function of its batches and of the snapshot it began with, less those
 * that were forgotten.
 */
export class ProducerStates {
  readonly #budget: ProducerBudget;
  #entries = new Map<number, ProducerEntry>();
  #transactions = new TransactionSpans();

  constructor(budget: ProducerBudget = new ProducerBudget()) {
    this.#budget = budget;
  }

  /** Shared with those of the other logs. */
  get budget(): ProducerBudget {
    return this.#budget;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * What a leader answers to a validated batch without appending it, or null: it is to be appended. Changes nothing: what is appended is
   * noted when its offsets are known.
   * `isUntouched`: the log never held anything.
   */
  judgeAppend(
    { producerId, producerEpoch, baseSequence, baseOffset: firstOffset, lastOffset: endingOffset, isTransactional }: BatchInfo,
    { messageTimestampType }: Pick<TopicSettings, "messageTimestampType">,
    isUntouched: boolean,
  ): LeaderAppend | null {
    if (producerId === noProducerId) return null;
    const batch = { producerId, producerEpoch, baseSequence, lastOffsetDelta: endingOffset - firstOffset, isTransactional };
    const entry = this.#entries.get(producerId);
    const verdict = judgeBatch(entry, batch, isUntouched);
    if (verdict.kind === "append") return isTransactional ? this.#refuseTooMany(entry) : null;
    if (verdict.kind === "refused") return verdict;
    const { baseOffset, lastOffset, timestampMs } = verdict.original;
    const logAppendTimeMs = messageTimestampType === "LogAppendTime" ? timestampMs : -1;
    return { kind: "duplicate", baseOffset, endOffset: lastOffset + 1, logAppendTimeMs };
  }

  /** See `Log.appendMarker`. Changes nothing, either. */
  judgeMarker(marker: VersionedMarker): MarkerVerdict {
    return judgeMarker(this.#entries.get(marker.producerId), marker);
  }

  /**
   * The batch is in the log. A follower notes what its leader validated. `marker`: what is in a control batch, where it ends a transaction.
   * Returns the transaction that it aborts.
   */
  note(batch: BatchInfo, marker: EndMarker | null = null): AbortedTransaction | null {
    const { producerId } = batch;
    if (producerId === noProducerId) return null;
    if (marker !== null) return this.#noteMarker(batch, marker);
    if (batch.isControl) return null;
    const entry = this.#entryOf(producerId, batch.producerEpoch);
    if (batch.isTransactional && entry.transactionFirstOffset === -1) this.#transactions.begin(batch.baseOffset);
    entry.note(batch);
    return null;
  }

  #noteMarker(batch: BatchInfo, marker: EndMarker): AbortedTransaction | null {
    const { producerId, producerEpoch, baseOffset } = batch;
    const entry = this.#entryOf(producerId, producerEpoch);
    const firstOffset = entry.transactionFirstOffset;
    entry.end(marker, batch.maxTimestampMs);
    if (firstOffset === -1) return null;
    this.#transactions.end(firstOffset, baseOffset);
    if (marker.kind === "commit") return null;
    return { producerId, firstOffset, offset: baseOffset, lastStableOffset: this.#transactions.firstOpen ?? baseOffset + 1 };
  }

  /** See `Log.firstUnstableOffset`. */
  firstUnstableOffset(highWatermark: number): number | null {
    return this.#transactions.firstUnstable(highWatermark);
  }

  /** See `Log.openTransactionOf`. */
  openTransactionOf(producerId: number, producerEpoch?: number): number | null {
    const entry = this.#entries.get(producerId);
    if (entry === undefined || entry.transactionFirstOffset === -1) return null;
    return producerEpoch === undefined || producerEpoch === entry.epoch ? entry.transactionFirstOffset : null;
  }

  /** Of the producer's last batch in the log; null: the producer is not known, or no longer. */
  lastOffsetOf(producerId: number): number | null {
    return this.#entries.get(producerId)?.lastOffset ?? null;
  }

  /** Nothing but a marker with this epoch is in the log of the producer, as far as it is known. */
  isKnownByMarker(producerId: number, producerEpoch: number): boolean {
    const entry = this.#entries.get(producerId);
    return entry !== undefined && entry.epoch === producerEpoch && entry.lastOffset === -1;
  }

  /** The states in the rows of a snapshot taken at `offset`, or why the rows are not valid. */
  static from(rows: readonly ProducerRow[], offset: number, budget = new ProducerBudget()): ProducerStates | string {
    const states = new ProducerStates(budget);
    for (const row of rows) {
      const entry = states.#entryOf(row.producerId, row.epoch);
      const follows = entry.lastOffset === -1 || (entry.epoch === row.epoch && row.lastOffset > entry.lastOffset);
      if (!follows || row.lastOffset >= offset || row.transactionFirstOffset >= offset) {
        states.clear();
        return `offset ${row.lastOffset} of producer ${row.producerId} cannot be`;
      }
      entry.load(row);
    }
    const begun = [...states.#entries.values()].flatMap(({ transactionFirstOffset: first }) => (first === -1 ? [] : [first]));
    begun.sort((a, b) => a - b);
    const twice = begun.find((first, i) => first === begun[i - 1]);
    if (twice !== undefined) {
      states.clear();
      return `two transactions begin at offset ${twice}`;
    }
    for (const first of begun) states.#transactions.begin(first);
    return states;
  }

  /** A snapshot's rows as of now. */
  rows(): ProducerRow[] {
    const rows: ProducerRow[] = [];
    this.#forEachRow((row) => rows.push(row));
    return rows;
  }

  /** A snapshot's content as of now. */
  encode(): Buffer {
    let rowsCount = 0;
    for (const entry of this.#entries.values()) rowsCount += entry.rowsCount;
    return encodeSnapshot(rowsCount, (visit) => this.#forEachRow(visit));
  }

  #forEachRow(visit: (row: ProducerRow) => void): void {
    for (const [producerId, entry] of this.#entries) entry.forEachRow(producerId, visit);
  }

  /**
   * Takes the contents of `other`, which must not be used afterwards: the same log's, up to `endOffset`, where it was cut. Which
   * transactions ended below is still known.
   */
  become(other: ProducerStates, endOffset = 0): void {
    invariant(other.#budget === this.#budget, "producers stay in one budget");
    other.#transactions.rememberEnded(this.#transactions, endOffset);
    this.clear();
    this.#entries = other.#entries;
    this.#transactions = other.#transactions;
  }

  /** See `Log.expireProducers`. */
  expire(nowMs: number, expirationMs: number): void {
    for (const [producerId, { transactionFirstOffset, lastTimestampMs }] of this.#entries)
      if (transactionFirstOffset === -1 && nowMs - lastTimestampMs >= expirationMs) this.#forget(producerId);
  }

  clear(): void {
    this.#budget.giveBack(this.#entries.size);
    this.#entries.clear();
    this.#transactions.clear();
  }

  #entryOf(producerId: number, epoch: number): ProducerEntry {
    const known = this.#entries.get(producerId);
    if (known !== undefined) return known;
    if (this.#isFull) this.#forgetLeastRecent();
    const entry = new ProducerEntry(epoch);
    this.#entries.set(producerId, entry);
    this.#budget.take();
    return entry;
  }

  get #isFull(): boolean {
    return this.#budget.isSpent || this.#entries.size >= producersInLogMax;
  }

  /** Producers with an open transaction are never forgotten, so a client may not have any number of them. */
  #refuseTooMany(entry: ProducerEntry | undefined): LeaderAppend | null {
    if ((entry?.transactionFirstOffset ?? -1) !== -1 || !this.#isFull || this.#hasForgettable) return null;
    const message = `${this.#transactions.openCount} transactions are open in this log`;
    return { kind: "refused", error: "NOT_ENOUGH_REPLICAS", message };
  }

  get #hasForgettable(): boolean {
    const { size } = this.#entries;
    return size - this.#transactions.openCount > size * forgettablePart;
  }

  #forgetLeastRecent(): void {
    if (!this.#hasForgettable) return;
    const silent = [...this.#entries].filter(([, { transactionFirstOffset }]) => transactionFirstOffset === -1);
    silent.sort(([, a], [, b]) => a.lastOffset - b.lastOffset);
    for (const [producerId] of silent.slice(0, Math.ceil(this.#entries.size * forgottenPart))) this.#forget(producerId);
  }

  #forget(producerId: number): void {
    this.#entries.delete(producerId);
    this.#budget.giveBack(1);
  }
}

/** About 300 bytes each. */
export const producersMaxDefault = 1_000_000;

/**
 * In one log, whatever the broker has room for: all of a log's producers are written into a snapshot in one turn of the loop, at each roll.
 * That many take some tenths of a second, a million four seconds.
 */
export const producersInLogMax = 100_000;

/** How many producers all logs of a broker may remember together: clients make as many as they like. */
export class ProducerBudget {
  readonly #producersMax: number;
  #held = 0;

  constructor(producersMax: number = producersMaxDefault) {
    this.#producersMax = producersMax;
  }

  get held(): number {
    return this.#held;
  }

  get isSpent(): boolean {
    return this.#held >= this.#producersMax;
  }

  take(): void {
    this.#held++;
  }

  giveBack(count: number): void {
    this.#held -= count;
    invariant(this.#held >= 0, "logs give back the producers that they took");
  }
}
