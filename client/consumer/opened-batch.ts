import { decompressRecords } from "../../protocol/records/compression.ts";
import { BatchRecords } from "../../protocol/records/decode-batch.ts";
import type { DecodedRecord } from "../../protocol/records/record.ts";
import type { NextBatch } from "../fetch/fetch-buffer.ts";

/**
 * Approximately what a record and each of its headers take in memory as objects, whatever their size in the batch. Keys and values are
 * views.
 */
const recordObjectBytes = 256;
const headerObjectBytes = 128;

export function recordCostInBytes({ headers }: DecodedRecord): number {
  return recordObjectBytes + headers.length * headerObjectBytes;
}

/**
 * A batch whose records are being handed out: decompressed at once, decoded one by one. A batch of a few kilobytes can have millions of
 * records and headers, and as objects they take many times their size in it.
 */
export class OpenedBatch implements NextBatch {
  readonly partition: NextBatch["partition"];
  readonly generation: number;
  readonly batch: NextBatch["batch"];
  readonly bytes: Buffer;
  readonly #decompressedBytesMax: number;
  /** Null before the first look. */
  #records: BatchRecords | null = null;
  readonly #fromOffset: number;
  #decoded = 0;
  #next: DecodedRecord | null = null;
  #failure: unknown;

  constructor({ partition, generation, bytes, batch }: NextBatch, decompressedBytesMax: number) {
    this.partition = partition;
    this.generation = generation;
    this.batch = batch;
    this.#fromOffset = partition.position;
    this.bytes = bytes;
    this.#decompressedBytesMax = decompressedBytesMax;
  }

  /** The next record; the same until it is passed. Null: there is none left. Throws, at each call, where the batch cannot be decoded. */
  peek(): DecodedRecord | null {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      const records = this.#open();
      while (this.#next === null) {
        const record = records?.next() ?? null;
        if (record === null) return null;
        this.#decoded++;
        // what follows the last record is checked before that is handed out
        if (this.#decoded === this.batch.recordsCount) records?.next();
        if (record.offset >= this.#fromOffset) this.#next = record;
      }
      return this.#next;
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  /** Null: no record in it is for the application. */
  #open(): BatchRecords | null {
    if (this.#isPassedOver) return null;
    const options = { decompress: decompressRecords, decompressedBytesMax: this.#decompressedBytesMax, checkCrc: false };
    this.#records ??= new BatchRecords(this.bytes, this.batch.position, options);
    return this.#records;
  }

  /** A control batch, or one of an aborted transaction. */
  get #isPassedOver(): boolean {
    return this.batch.isControl || this.batch.isAborted === true;
  }

  pass(): void {
    this.#next = null;
  }

  /** All its records were handed out. */
  get isOver(): boolean {
    return this.#next === null && this.#failure === undefined && (this.#isPassedOver || this.#decoded >= this.batch.recordsCount);
  }
}
