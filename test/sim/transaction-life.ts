import type { ClientRuntime } from "../../client/base/client-runtime.ts";
import { Producer, ProducerFailed, type Transaction, TransactionFailed, TransactionOutcomeUnknown } from "../../client/index.ts";
import { type Random, randomInt } from "../../protocol/base/random.ts";
import type { RanTransaction, TransactionHistory } from "../support/transaction-checker.ts";
import type { SimClock } from "./sim-clock.ts";
import type { SimNetwork } from "./sim-network.ts";
import type { Trace } from "./trace.ts";

export interface TransactionLifeParts {
  readonly clock: SimClock;
  readonly network: SimNetwork;
  readonly trace: Trace;
  readonly random: Random;
  readonly history: TransactionHistory;
  readonly topic: string;
  readonly partitions: number;
  readonly bootstrap: string;
  readonly runtime: (owner: string) => ClientRuntime;
  readonly onViolation: (claim: string) => void;
}

type Running = Transaction<Uint8Array | string, Uint8Array | string>;
/** `over`: this producer can begin no more. */
type After = "goes on" | "over";

/**
 * One life of a transactional id. It may be killed at any moment, or left in the middle of a transaction: suspended, or just slow. Then the
 * next life begins, and this one goes on as if nothing had happened.
 */
export class TransactionLife {
  readonly owner: string;
  readonly #parts: TransactionLifeParts;
  readonly #transactionalId: string;
  readonly #number: number;
  readonly #timeoutMs: number;
  readonly #producer: Producer;
  readonly #left = Promise.withResolvers<void>();
  #isPaused = false;
  #isOver = false;
  /** Nothing more comes from it. */
  isGone = false;

  constructor(parts: TransactionLifeParts, transactionalId: string, number: number) {
    this.#parts = parts;
    this.#transactionalId = transactionalId;
    this.#number = number;
    this.owner = `${transactionalId}#${number}`;
    const { random, bootstrap } = parts;
    this.#timeoutMs = [1500, 3000, 6000][randomInt(random, 3)] as number;
    this.#producer = new Producer({
      bootstrap,
      transactionalId,
      transactionTimeoutMs: this.#timeoutMs,
      requestTimeoutMs: 2000,
      connectTimeoutMs: 1000,
      retryBackoffMs: 50,
      retryBackoffMaxMs: 500,
      deliveryTimeoutMs: 5000,
      maxBlockMs: 5000,
      lingerMs: randomInt(random, 2) * 10,
      batchBytesMax: 150 + randomInt(random, 2) * 600,
      allowAutoTopicCreation: false,
      runtime: parts.runtime(this.owner),
    });
  }

  /** Resolves when another life may begin. */
  get whenLeft(): Promise<void> {
    return this.#left.promise;
  }

  start(): void {
    const { clock, random } = this.#parts;
    if (random.next() < 0.25) clock.schedule("transactions", 300 + random.next() * 4000, () => this.#kill());
    void this.#live();
  }

  /** It begins no more transactions. */
  stop(): void {
    this.#isOver = true;
    this.#resume();
  }

  /** Nothing but one transaction, which is to be committed. */
  async last(): Promise<boolean> {
    let isCommitted = false;
    if (await this.#begins()) {
      const { history, partitions } = this.#parts;
      const transaction = await this.#producer.beginTransaction();
      const ran = history.begin(this.#transactionalId, this.#number);
      for (let partition = 0; partition < partitions; partition++) this.#send(transaction, ran, partition);
      await this.#commit(transaction, ran);
      isCommitted = ran.outcome === "committed";
    }
    await this.#producer.close();
    return isCommitted;
  }

  async #live(): Promise<void> {
    const { random, trace, onViolation } = this.#parts;
    try {
      if (await this.#begins()) {
        const count = 2 + randomInt(random, 12);
        for (let number = 0; number < count && !this.#isOver; number++) {
          if ((await this.#transact()) === "over") break;
          await this.#sleep(random.next() * 250);
        }
      }
      await this.#producer.close();
    } catch (error) {
      const { name, message } = error as Error;
      onViolation(`transactions: ${this.owner}: ${name}: ${message}`);
    }
    trace.line(`${this.owner} ends`, true);
    this.isGone = true;
    this.#left.resolve();
  }

  async #begins(): Promise<boolean> {
    try {
      await this.#producer.initTransactions();
      return true;
    } catch (error) {
      this.#parts.trace.line(`${this.owner} cannot begin: ${(error as Error).message}`, true);
      return false;
    }
  }

  async #transact(): Promise<After> {
    const { random, trace, history } = this.#parts;
    let transaction: Running;
    try {
      transaction = await this.#producer.beginTransaction();
    } catch (error) {
      trace.line(`${this.owner} begins no transaction: ${(error as Error).message}`, true);
      return error instanceof ProducerFailed ? "over" : "goes on";
    }
    const ran = history.begin(this.#transactionalId, this.#number);
    this.#sendSome(transaction, ran);
    const fate = random.next();
    if (fate < 0.08) this.#leave();
    if (fate < 0.08) await this.#sleep(random.next() * 3000);
    else if (fate < 0.16) await this.#sleep(this.#timeoutMs * (0.7 + 0.8 * random.next()));
    else if (fate < 0.5) await this.#sleep(random.next() * 100);
    if (fate < 0.5) this.#sendSome(transaction, ran);
    return random.next() < 0.75 ? this.#commit(transaction, ran) : this.#abort(transaction, ran);
  }

  #sendSome(transaction: Running, ran: RanTransaction): void {
    const { random, partitions } = this.#parts;
    const count = 1 + randomInt(random, 4);
    for (let i = 0; i < count; i++) this.#send(transaction, ran, randomInt(random, partitions));
  }

  /** Whether it is written, the commit tells. */
  #send(transaction: Running, ran: RanTransaction, partition: number): void {
    const { topic } = this.#parts;
    const value = `${this.#transactionalId}.${this.#number}.${ran.number}.${ran.sent.length}`;
    ran.sent.push({ partition: `${topic}-${partition}`, value });
    void transaction.send({ topic, partition, value });
  }

  async #commit(transaction: Running, ran: RanTransaction): Promise<After> {
    const { random } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      ran.outcome = "unknown";
      try {
        await transaction.commit();
        this.#told(ran, "committed");
        return "goes on";
      } catch (error) {
        if (attempt === 1 && error instanceof TransactionFailed) return this.#abort(transaction, ran);
        if (attempt === 1 && error instanceof ProducerFailed) this.#told(ran, "aborted", error);
        else this.#parts.trace.line(`${nameOf(ran)} may be committed: ${(error as Error).message}`, true);
        if (error instanceof ProducerFailed) return "over";
        if (!(error instanceof TransactionOutcomeUnknown)) throw error;
        if (attempt === 3 || random.next() < 0.5) return "goes on";
      }
    }
  }

  /** Its commit was not asked for, or was refused. */
  async #abort(transaction: Running, ran: RanTransaction): Promise<After> {
    this.#told(ran, "aborted");
    try {
      await transaction.abort();
    } catch (error) {
      this.#parts.trace.line(`${nameOf(ran)} was not aborted: ${(error as Error).message}`, true);
      if (error instanceof ProducerFailed) return "over";
      if (!(error instanceof TransactionFailed)) throw error;
    }
    return "goes on";
  }

  #told(ran: RanTransaction, outcome: "committed" | "aborted", why?: Error): void {
    ran.outcome = outcome;
    this.#parts.trace.line(`${nameOf(ran)} is ${outcome}: ${ran.sent.length} records${why === undefined ? "" : `, ${why.message}`}`, true);
  }

  #leave(): void {
    const { clock, random, trace } = this.#parts;
    this.#left.resolve();
    if (random.next() < 0.5 || this.#isOver) return trace.line(`${this.owner} is left`);
    trace.line(`${this.owner} is suspended`);
    this.#isPaused = true;
    clock.pause(this.owner);
    clock.schedule("transactions", random.next() * 5000, () => this.#resume());
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#parts.trace.line(`${this.owner} goes on`);
    this.#parts.clock.resume(this.owner);
  }

  #kill(): void {
    if (this.isGone || this.#isPaused) return;
    const { clock, network, trace } = this.#parts;
    trace.line(`${this.owner} is killed`);
    this.isGone = true;
    clock.end(this.owner);
    network.end(this.owner);
    this.#left.resolve();
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#parts.clock.schedule(this.owner, ms, resolve));
  }
}

function nameOf({ transactionalId, life, number }: RanTransaction): string {
  return `${transactionalId}#${life} ${number}`;
}
