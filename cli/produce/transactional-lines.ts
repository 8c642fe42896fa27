import type { RecordMetadata } from "../../client/producer/pending-send.ts";
import type { ProducerRecord } from "../../client/producer/producer-record.ts";
import type { Transaction } from "../../client/producer/producer-transactions.ts";
import { CommandFailed } from "../output/command-failed.ts";
import { formatBytes } from "../output/units.ts";
import type { LineProducer } from "./ship-lines.ts";

/** What it needs of a producer. */
export interface TransactionalProducer {
  beginTransaction(): Promise<Pick<Transaction<Uint8Array | string, Uint8Array | string>, "send" | "commit" | "abort">>;
}

interface Batch {
  lines: number;
  bytes: number;
  readonly begun: ReturnType<TransactionalProducer["beginTransaction"]>;
  readonly sends: Promise<RecordMetadata>[];
  readonly committed: Promise<void>;
  readonly end: (failure: Error | null) => void;
}

/**
 * Sends lines in transactions of so many, one after the other; the last may have fewer. A line is stored when its transaction is committed,
 * and fails with it; after one that failed no other is begun.
 */
export class TransactionalLines implements LineProducer {
  readonly #producer: TransactionalProducer;
  readonly #batchLines: number;
  readonly #batchBytesMax: number;
  #open: Batch | null = null;
  /** Of the transaction before. */
  #before: Promise<void> = Promise.resolve();
  #committedLines = 0;
  #transactions = 0;

  /** `batchBytesMax`: lines of one transaction are in memory together. */
  constructor(producer: TransactionalProducer, batchLines: number, batchBytesMax: number) {
    this.#producer = producer;
    this.#batchLines = batchLines;
    this.#batchBytesMax = batchBytesMax;
  }

  get committed(): { readonly lines: number; readonly transactions: number } {
    return { lines: this.#committedLines, transactions: this.#transactions };
  }

  async send(record: ProducerRecord, bytes: number): Promise<RecordMetadata> {
    const batch = this.#open ?? this.#begin();
    this.#open = batch;
    batch.lines++;
    batch.bytes += bytes;
    const sent = batch.begun.then((transaction) => transaction.send(record));
    sent.catch(() => undefined); // it fails with its transaction
    batch.sends.push(sent);
    if (batch.bytes > this.#batchBytesMax) {
      const max = formatBytes(this.#batchBytesMax);
      this.#close(new CommandFailed(`the lines of one transaction take more than ${max}: choose a smaller --batch`));
    } else if (batch.lines >= this.#batchLines) this.#close(null);
    await batch.committed;
    return sent;
  }

  /** A line failed: what belongs together with it is aborted. */
  abandon(): void {
    this.#close(new CommandFailed("its transaction was aborted, for another line of it failed"));
  }

  async flush(): Promise<void> {
    this.#close(null);
    await this.#before.catch(() => undefined);
  }

  #begin(): Batch {
    const ending = Promise.withResolvers<Error | null>();
    const begun = this.#before.then(() => this.#producer.beginTransaction());
    const batch = { lines: 0, bytes: 0, begun, sends: [], end: ending.resolve };
    const committed = ending.promise.then((failure) => this.#end(batch, failure));
    committed.catch(() => undefined);
    return { ...batch, committed } as Batch;
  }

  #close(failure: Error | null): void {
    if (this.#open === null) return;
    this.#before = this.#open.committed;
    this.#open.end(failure);
    this.#open = null;
  }

  async #end({ begun, sends }: Pick<Batch, "begun" | "sends">, failure: Error | null): Promise<void> {
    const transaction = await begun;
    try {
      if (failure !== null) throw failure;
      await Promise.all(sends);
      await transaction.commit();
    } catch (error) {
      // where it may be committed, it cannot be aborted, and says so
      await transaction.abort().catch(() => undefined);
      throw error;
    }
    this.#committedLines += sends.length;
    this.#transactions++;
  }
}
