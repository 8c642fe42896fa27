import { invariant } from "../../protocol/base/invariant.ts";
import { type BatchInfo, noSequence, noTimestamp, sequencePlus } from "../../protocol/records/batch-header.ts";

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

export interface RememberedBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly timestampMs: number;
}

/** Numbers per batch in `#batches`, and where they are: one flat array takes a third of the memory that objects do, and a broker may know a million producers. */
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

  /** The remembered batch that `batch` repeats: of the same epoch, with the same first and last sequence. */
  findRepeated(batch: BatchInfo): RememberedBatch | null {
    if (batch.producerEpoch !== this.epoch) return null;
    const lastSequence = lastSequenceOf(batch);
    for (let at = 0; at < this.#batches.length; at += fieldsPerBatch) {
      if (this.#batches[at + fields.lastSequence] !== lastSequence) continue;
      const remembered = this.#remembered(at);
      if (remembered.firstSequence === batch.baseSequence) return remembered;
    }
    return null;
  }

  batches(): RememberedBatch[] {
    return Array.from({ length: this.rememberedBatches }, (_, i) => this.#remembered(i * fieldsPerBatch));
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
    this.#remember(lastSequenceOf(batch), batch.lastOffset, batch.lastOffset - batch.baseOffset, batch.maxTimestampMs);
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

  /** At least one, so that the epoch is there. The last one is as Kafka has it; a reader that takes only one row per producer takes the last. */
  rows(producerId: number): ProducerRow[] {
    const { epoch, coordinatorEpoch } = this;
    const common = { producerId, epoch, coordinatorEpoch, transactionFirstOffset: -1 };
    const rows: ProducerRow[] = this.batches().map(({ lastSequence, lastOffset, baseOffset, timestampMs }) => ({
      ...common,
      lastSequence,
      lastOffset,
      offsetDelta: lastOffset - baseOffset,
      timestampMs,
    }));
    const last = rows.pop() ?? { ...common, lastSequence: noSequence, lastOffset: -1, offsetDelta: 0 };
    return [...rows, { ...last, timestampMs: this.lastTimestampMs, transactionFirstOffset: this.transactionFirstOffset }];
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
    if (this.rememberedBatches === rememberedBatchesMax) this.#batches.splice(0, fieldsPerBatch);
    this.#batches.push(lastSequence, lastOffset, offsetDelta, timestampMs);
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

function lastSequenceOf({ baseSequence, baseOffset, lastOffset }: BatchInfo): number {
  return baseSequence === noSequence ? noSequence : sequencePlus(baseSequence, lastOffset - baseOffset);
}
