import { invariant } from "../../../protocol/base/invariant.ts";
import type { KafkaError } from "../../../protocol/errors/kafka-errors.ts";
import { type BatchInfo, noSequence, noTimestamp, sequencePlus } from "../../../protocol/records/batch-header.ts";
import type { EndMarker } from "../../../protocol/records/end-marker.ts";
import type { ProducerRow, VersionedMarker } from "../log-contract.ts";

/** As many batches as a producer may have in flight: the retry of any of them is recognised. */
export const rememberedBatchesMax = 5;

/** Of a batch that is not in the log yet: what is to be checked. */
export interface ProducedBatch {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly lastOffsetDelta: number;
  readonly isTransactional: boolean;
}

export interface RememberedBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly timestampMs: number;
}

/**
 * Numbers per batch in `#batches`, and their positions: one flat array takes a third of the memory that objects do, and a broker may know a
 * million producers.
 */
const fields = { lastSequence: 0, lastOffset: 1, offsetDelta: 2, timestampMs: 3 } as const;
const fieldsPerBatch = 4;

/** What a log knows of one producer: its epoch and its last batches under it. Changes only with what is appended. */
export class ProducerEntry {
  epoch: number;
  coordinatorEpoch = -1;
  transactionFirstOffset = -1;
  /** Largest timestamp of what it appended last; its inactivity is counted from there. */
  lastTimestampMs: number = noTimestamp;
  /** Oldest first. */
  readonly #batches: number[] = [];

  constructor(epoch: number) {
    this.epoch = epoch;
  }

  get rememberedBatches(): number {
    return this.#batches.length / fieldsPerBatch;
  }

  /** Of the last batch, or -1. */
  get lastSequence(): number {
    return this.#batches.at(fields.lastSequence - fieldsPerBatch) ?? noSequence;
  }

  /** Of the last batch, or -1. */
  get lastOffset(): number {
    return this.#batches.at(fields.lastOffset - fieldsPerBatch) ?? -1;
  }

  /** The latest remembered batch that `batch` repeats: of the same epoch, with the same first and last sequence. */
  findRepeated(batch: ProducedBatch): RememberedBatch | null {
    if (batch.producerEpoch !== this.epoch) return null;
    const lastSequence = lastSequenceOf(batch.baseSequence, batch.lastOffsetDelta);
    for (let at = this.#batches.length - fieldsPerBatch; at >= 0; at -= fieldsPerBatch) {
      if (this.#batches[at + fields.lastSequence] !== lastSequence) continue;
      const remembered = this.#remembered(at);
      if (remembered.firstSequence === batch.baseSequence) return remembered;
    }
    return null;
  }

  /** The batch of records is in the log. */
  note(batch: BatchInfo): void {
    this.#beginEpoch(batch.producerEpoch);
    this.lastTimestampMs = batch.maxTimestampMs;
    const offsetDelta = batch.lastOffset - batch.baseOffset;
    this.#remember(lastSequenceOf(batch.baseSequence, offsetDelta), batch.lastOffset, offsetDelta, batch.maxTimestampMs);
    if (batch.isTransactional && this.transactionFirstOffset === -1) this.transactionFirstOffset = batch.baseOffset;
  }

  /** The marker is in the log. Where it has another epoch, what was remembered of the one before is over. */
  end({ producerEpoch, coordinatorEpoch }: EndMarker, timestampMs: number): void {
    this.#beginEpoch(producerEpoch);
    this.lastTimestampMs = timestampMs;
    this.coordinatorEpoch = coordinatorEpoch;
    this.transactionFirstOffset = -1;
  }

  /** A producer's rows are in the order of its batches. */
  load(row: ProducerRow): void {
    this.#beginEpoch(row.epoch);
    this.coordinatorEpoch = row.coordinatorEpoch;
    this.transactionFirstOffset = row.transactionFirstOffset;
    this.lastTimestampMs = row.timestampMs;
    if (row.lastOffset >= 0) this.#remember(row.lastSequence, row.lastOffset, row.offsetDelta, row.timestampMs);
  }

  /** How many rows `forEachRow` visits. */
  get rowsCount(): number {
    return Math.max(this.rememberedBatches, 1);
  }

  /**
   * At least one, so that the epoch is there. The last one is as in Kafka; a reader that takes only one row per producer takes the last.
   */
  forEachRow(producerId: number, visit: (row: ProducerRow) => void): void {
    const { epoch, coordinatorEpoch, rowsCount, rememberedBatches } = this;
    const batches = this.#batches;
    for (let i = 0; i < rowsCount; i++) {
      const isLast = i === rowsCount - 1;
      const at = i * fieldsPerBatch;
      visit({
        producerId,
        epoch,
        lastSequence: rememberedBatches === 0 ? noSequence : batches[at + fields.lastSequence]!,
        lastOffset: rememberedBatches === 0 ? -1 : batches[at + fields.lastOffset]!,
        offsetDelta: rememberedBatches === 0 ? 0 : batches[at + fields.offsetDelta]!,
        timestampMs: isLast ? this.lastTimestampMs : batches[at + fields.timestampMs]!,
        coordinatorEpoch,
        transactionFirstOffset: isLast ? this.transactionFirstOffset : -1,
      });
    }
  }

  #beginEpoch(epoch: number): void {
    if (epoch === this.epoch) return;
    this.epoch = epoch;
    this.#batches.length = 0;
  }

  #remember(lastSequence: number, lastOffset: number, offsetDelta: number, timestampMs: number): void {
    invariant(lastOffset > this.lastOffset && offsetDelta >= 0, "a producer's batches follow each other", () => ({
      lastOffset,
      offsetDelta,
      previous: this.lastOffset,
    }));
    const batches = this.#batches;
    if (this.rememberedBatches < rememberedBatchesMax) {
      batches.push(lastSequence, lastOffset, offsetDelta, timestampMs);
      return;
    }
    // by hand: `splice` and `copyWithin` take longer than all the rest of an append
    const at = batches.length - fieldsPerBatch;
    for (let i = 0; i < at; i++) batches[i] = batches[i + fieldsPerBatch]!;
    batches[at + fields.lastSequence] = lastSequence;
    batches[at + fields.lastOffset] = lastOffset;
    batches[at + fields.offsetDelta] = offsetDelta;
    batches[at + fields.timestampMs] = timestampMs;
  }

  #remembered(at: number): RememberedBatch {
    const batches = this.#batches;
    const lastSequence = batches[at + fields.lastSequence]!;
    const lastOffset = batches[at + fields.lastOffset]!;
    const offsetDelta = batches[at + fields.offsetDelta]!;
    return {
      firstSequence: lastSequence === noSequence ? noSequence : (lastSequence - offsetDelta + 2 ** 31) % 2 ** 31,
      lastSequence,
      baseOffset: lastOffset - offsetDelta,
      lastOffset,
      timestampMs: batches[at + fields.timestampMs]!,
    };
  }
}

function lastSequenceOf(baseSequence: number, lastOffsetDelta: number): number {
  return baseSequence === noSequence ? noSequence : sequencePlus(baseSequence, lastOffsetDelta);
}

export type ProducerVerdict =
  | { readonly kind: "append" }
  | { readonly kind: "duplicate"; readonly original: RememberedBatch }
  | { readonly kind: "refused"; readonly error: KafkaError; readonly message: string };

const append = { kind: "append" } as const;

/**
 * Whether a producer's batch comes next in a log that knows `entry` of it. A producer that the log does not know may begin anywhere: what
 * it wrote before may be deleted, or it was inactive for so long that it was forgotten (KIP-360). But in a log that never held anything
 * (`isUntouched`) there is nothing to forget, so it begins at 0. Otherwise: (1) the first of two batches in flight is refused, with too few
 * in sync; (2) a follower returns, and the second is accepted as a first batch; (3) the first is retried and is out of order for ever, or
 * the records end up in the wrong order. Sequences wrap from 2^31-1 to 0.
 *
 * A transaction of a new epoch begins where the one before has ended. One that never did hangs, as no coordinator knows it; what is written
 * behind it would be of the same transaction, and the next marker would decide about both.
 *
 * A batch that comes next is new, whatever is remembered (Kafka looks for a repeated one first): (1) a producer is forgotten; (2) an older
 * client begins at 0 again under the same epoch; (3) the broker restarts and reads both sequences from the log; (4) a batch that continues
 * the second would be answered with the offset of one of the first, and be lost.
 */
export function judgeBatch(entry: ProducerEntry | undefined, batch: ProducedBatch, isUntouched: boolean): ProducerVerdict {
  const { producerEpoch, baseSequence } = batch;
  if (entry !== undefined && batch.isTransactional && entry.transactionFirstOffset !== -1 && producerEpoch > entry.epoch)
    return refuse(
      "INVALID_TXN_STATE",
      `${producerOf(batch)}: its transaction of epoch ${entry.epoch} since offset ${entry.transactionFirstOffset} never ended here`,
    );
  // a coordinator's own records in a producer's transaction have no sequence: they come from one place, in their order
  if (baseSequence === noSequence && producerEpoch >= (entry?.epoch ?? 0)) return append;
  if (entry === undefined) {
    if (!isUntouched || baseSequence === 0) return append;
    return refuse(
      "OUT_OF_ORDER_SEQUENCE_NUMBER",
      `${producerOf(batch)}: the log never held anything, so sequence 0 comes first, got ${baseSequence}`,
    );
  }
  const isNewEpoch = producerEpoch > entry.epoch;
  const expected = isNewEpoch || entry.lastSequence === noSequence ? 0 : sequencePlus(entry.lastSequence, 1);
  if (producerEpoch < entry.epoch)
    return refuse("INVALID_PRODUCER_EPOCH", `${producerOf(batch)}: a newer one with epoch ${entry.epoch} has written since`);
  if (baseSequence !== expected) {
    const original = entry.findRepeated(batch);
    if (original !== null) return { kind: "duplicate", original };
    return isNewEpoch
      ? refuse(
          "OUT_OF_ORDER_SEQUENCE_NUMBER",
          `${producerOf(batch)}: a new epoch (last was ${entry.epoch}) begins at 0, got ${baseSequence}`,
        )
      : refuse("OUT_OF_ORDER_SEQUENCE_NUMBER", `${producerOf(batch)}: expected sequence ${expected}, got ${baseSequence}`);
  }
  if (entry.transactionFirstOffset === -1 || batch.isTransactional) return append;
  return refuse(
    "INVALID_TXN_STATE",
    `${producerOf(batch)}: its transaction since offset ${entry.transactionFirstOffset} is open, got a batch outside of it`,
  );
}

export type MarkerVerdict =
  | { readonly kind: "append" | "duplicate" }
  | { readonly kind: "refused"; readonly error: KafkaError; readonly message: string };

/**
 * Whether a marker ends the producer's transaction in a log that knows `entry` of it. Where nothing is open it is appended as well, because
 * its epoch fences, and so does its coordinator's, unless the log has both already.
 *
 * Under version 2 each transaction has an epoch of its own, and the marker the next one. So one that has the producer's epoch is late, and
 * must not end what was begun since: (1) the marker of a transaction is sent twice; (2) the first one ends it; (3) the producer begins the
 * next transaction, with that epoch; (4) the second one arrives.
 */
export function judgeMarker(entry: ProducerEntry | undefined, marker: VersionedMarker): MarkerVerdict {
  if (entry === undefined) return append;
  const { producerEpoch, coordinatorEpoch, transactionVersion } = marker;
  const isOpen = entry.transactionFirstOffset !== -1;
  const isLate = producerEpoch < entry.epoch || (transactionVersion >= 2 && producerEpoch === entry.epoch && isOpen);
  if (isLate)
    return refuse("INVALID_PRODUCER_EPOCH", `${producerOf(marker)}: the marker is late, the log knows epoch ${entry.epoch} of it`);
  if (coordinatorEpoch < entry.coordinatorEpoch)
    return refuse(
      "TRANSACTION_COORDINATOR_FENCED",
      `${producerOf(marker)}: a marker of coordinator epoch ${coordinatorEpoch} after one of ${entry.coordinatorEpoch}`,
    );
  const changesNothing = !isOpen && producerEpoch === entry.epoch && coordinatorEpoch === entry.coordinatorEpoch;
  return changesNothing ? { kind: "duplicate" } : append;
}

function refuse(error: KafkaError, message: string): ProducerVerdict & MarkerVerdict & { readonly kind: "refused" } {
  return { kind: "refused", error, message };
}

function producerOf({ producerId, producerEpoch }: Pick<ProducedBatch, "producerId" | "producerEpoch">): string {
  return `producer ${producerId} with epoch ${producerEpoch}`;
}
