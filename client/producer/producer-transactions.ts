import { TransactionFailed } from "../base/errors.ts";
import type { GroupMetadata, TransactionPosition } from "../coordinator/group-metadata.ts";
import type { Transactions } from "../transaction/transactions.ts";
import type { RecordMetadata } from "./pending-send.ts";
import type { ProducerRecord, SendOptions } from "./producer-record.ts";

/** A consumer of a group. */
export interface GroupMember {
  groupMetadata(): GroupMetadata;
}

/** A transaction that has begun. Once it is ended, what is called on it rejects with InvalidTransactionState. */
export interface Transaction<K, V> {
  /**
   * As `Producer.send`. It need not be awaited: what fails makes the commit fail. A record that was acknowledged is in the log, but is read
   * by those who read what is committed only after the commit.
   */
  send(record: ProducerRecord<K, V>, options?: SendOptions): Promise<RecordMetadata>;
  sendMany(records: readonly ProducerRecord<K, V>[], options?: SendOptions): Promise<RecordMetadata[]>;
  /**
   * Commits a group's positions with the transaction, each the offset of the next record to be handled. From the consumer itself, with
   * `autoCommit` false; or from what its `groupMetadata()` said.
   */
  sendOffsets(from: GroupMember | GroupMetadata, positions: readonly TransactionPosition[]): Promise<void>;
  /**
   * Resolves when it is committed. Rejects with TransactionFailed where it can only be aborted, which is still to be done; with
   * ProducerFailed; or with TransactionOutcomeUnknown, after which `commit` may be called again.
   */
  commit(): Promise<void>;
  abort(): Promise<void>;
}

type Sending<K, V> = Pick<Transaction<K, V>, "send" | "sendMany">;

/** What a producer does in transactions. */
export class ProducerTransactions<K, V> {
  readonly #transactions: Transactions;
  readonly #sendIn: (serial: number) => Sending<K, V>;

  constructor(transactions: Transactions, sendIn: (serial: number) => Sending<K, V>) {
    this.#transactions = transactions;
    this.#sendIn = sendIn;
  }

  async begin(): Promise<Transaction<K, V>> {
    return this.#opened(await this.#transactions.begin());
  }

  async run<T>(work: (transaction: Transaction<K, V>) => Promise<T>): Promise<T> {
    const serial = await this.#transactions.begin();
    let result: T;
    try {
      result = await work(this.#opened(serial));
    } catch (error) {
      await this.#abort(serial);
      throw this.#told(error);
    }
    // the application may have ended it itself
    if (!this.#transactions.isPresent(serial)) return result;
    try {
      await this.#transactions.commit(serial);
    } catch (error) {
      if (error instanceof TransactionFailed) await this.#abort(serial);
      throw this.#told(error);
    }
    return result;
  }

  /** What fails here has been aborted by the coordinator, or will be; the next transaction settles it. */
  async #abort(serial: number): Promise<void> {
    if (this.#transactions.isPresent(serial)) await this.#transactions.abort(serial).catch(() => undefined);
  }

  /** That the producer is over is more than what it has failed with. The application's own errors stay as they are. */
  #told(error: unknown): unknown {
    const { overReason } = this.#transactions;
    return error instanceof TransactionFailed && overReason !== null ? overReason : error;
  }

  #opened(serial: number): Transaction<K, V> {
    const { send, sendMany } = this.#sendIn(serial);
    return {
      send: (record, options) => handled(send(record, options)),
      sendMany: (records, options) => handled(sendMany(records, options)),
      sendOffsets: async (from, positions) => {
        const group = "groupMetadata" in from ? from.groupMetadata() : from;
        return this.#transactions.sendOffsets(serial, group, positions);
      },
      commit: () => this.#transactions.commit(serial),
      abort: () => this.#transactions.abort(serial),
    };
  }
}

/** One that nobody awaits must not end the process: its failure is the commit's. */
function handled<T>(sent: Promise<T>): Promise<T> {
  sent.catch(() => undefined);
  return sent;
}
