import { invariant } from "../../../protocol/base/invariant.ts";
import { type BatchInfo, noSequence, noTimestamp, sequencePlus } from "../../../protocol/records/batch-header.ts";

/** As many batches as a producer may have in flight: the retry of any of them is recognised. */
export const rememberedBatchesMax = 5;

/** One row of a snapshot: a producer as it was after one of its batches. Kafka's fields. */
export interface ProducerRow {
  readonly producerId: number;
  readonly epoch: number;
  readonly lastSequence: number;
  /** -1: no batch of records yet. */
  readonly lastOffset: number;
  /** Last offset less the first of the batch, so last sequence less its first, too. */
  readonly offsetDelta: number;
  readonly timestampMs: number;
  readonly coordinatorEpoch: number;
  /** -1: no transaction is open. */
  readonly transactionFirstOffset: number;
}

/** Of a batch that is not in the log yet: what there is to judge. */
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
 * Numbers per batch in `#batches`, and where they are: one flat array takes a third of the memory that objects do, and a broker may know a
 * million producers.
 */
const fields = { lastSequence: 0, lastOffset: 1, offsetDelta: 2, timestampMs: 3 } as const;
const fieldsPerBatch = 4;

/** What a log knows of one producer: its epoch and its last batches under it. Changes only with what is appended. */
export class ProducerEntry {
  epoch: number;
  coordinatorEpoch = -1;
  transactionFirstOffset = -1;
  /** Largest timestamp of what it appended last; its silence is counted from there. */
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

  /** The batch is in the log. */
  note(batch: BatchInfo): void {
    this.#beginEpoch(batch.producerEpoch);
    this.lastTimestampMs = batch.maxTimestampMs;
    if (batch.isControl) {
      // the marker that ends a transaction
      this.transactionFirstOffset = -1;
      return;
    }
    const offsetDelta = batch.lastOffset - batch.baseOffset;
    this.#remember(lastSequenceOf(batch.baseSequence, offsetDelta), batch.lastOffset, offsetDelta, batch.maxTimestampMs);
    if (batch.isTransactional && this.transactionFirstOffset === -1) this.transactionFirstOffset = batch.baseOffset;
  }

  /** A producer's rows come in the order of its batches. */
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
   * At least one, so that the epoch is there. The last one is as Kafka has it; a reader that takes only one row per producer takes the
   * last.
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
