import type { ClientRuntime } from "../../client/base/client-runtime.ts";
import { Consumer, Producer } from "../../client/index.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { SimClock } from "./sim-clock.ts";
import type { SimNetwork } from "./sim-network.ts";
import type { Trace } from "./trace.ts";

export interface TransactionWorkerParts {
  readonly clock: SimClock;
  readonly network: SimNetwork;
  readonly trace: Trace;
  readonly random: Random;
  readonly bootstrap: string;
  readonly runtime: (owner: string) => ClientRuntime;
  readonly group: string;
  readonly from: string;
  readonly to: string;
}

const failureLimitMs = 5000;

/** What an input becomes. */
export function outputOf(input: string): string {
  return `of ${input}`;
}

/**
 * One life of a worker: reads what is committed in one topic as a member of a group, writes something for each record to another, and
 * commits its position in the same transaction. Whatever goes wrong ends it: its successor begins where the group's positions are. It may
 * be killed, or suspended for so long that the group gives its partitions to others.
 */
export class TransactionWorker {
  readonly #parts: TransactionWorkerParts;
  readonly #owner: string;
  readonly #consumer: Consumer<Buffer, Buffer>;
  readonly #producer: Producer;
  readonly #gone = Promise.withResolvers<void>();
  #isPaused = false;
  #isGone = false;
  #isStopped = false;

  constructor(parts: TransactionWorkerParts, transactionalId: string, number: number) {
    this.#parts = parts;
    this.#owner = `${transactionalId}#${number}`;
    const { bootstrap, group, runtime } = parts;
    const patience = { bootstrap, requestTimeoutMs: 2000, connectTimeoutMs: 1000, retryBackoffMs: 50, retryBackoffMaxMs: 500 };
    const membership = { group, sessionTimeoutMs: 3000, heartbeatIntervalMs: 300, autoCommit: false, offsetReset: "earliest" } as const;
    const reading = { ...membership, isolation: "read_committed", fetchWaitMaxMs: 300 } as const;
    this.#consumer = new Consumer({ ...patience, ...reading, runtime: runtime(this.#owner) });
    const writing = { transactionalId, transactionTimeoutMs: 3000, deliveryTimeoutMs: failureLimitMs, maxBlockMs: failureLimitMs };
    this.#producer = new Producer({ ...patience, ...writing, allowAutoTopicCreation: false, runtime: runtime(this.#owner) });
  }

  get whenGone(): Promise<void> {
    return this.#gone.promise;
  }

  start(): void {
    const { clock, random } = this.#parts;
    const fate = random.next();
    const atMs = 500 + random.next() * 5000;
    if (fate < 0.4) clock.schedule("transactions", atMs, () => this.#kill());
    else if (fate < 0.6) clock.schedule("transactions", atMs, () => this.#suspend());
    void this.#live();
  }

  /** For good, after what it does now. */
  stop(): void {
    this.#isStopped = true;
    this.#resume();
    void this.#consumer.close();
  }

  /** It is not killed any more, nor suspended. */
  spare(): void {
    this.#isStopped = true;
    this.#resume();
  }

  async #live(): Promise<void> {
    const { trace, from } = this.#parts;
    try {
      await this.#producer.initTransactions();
      await this.#consumer.subscribe([from]);
      for await (const batch of this.#consumer.batches()) await this.#process(batch);
    } catch (error) {
      trace.line(`${this.#owner} gives up: ${(error as Error).message}`, true);
    }
    await this.#consumer.close();
    await this.#producer.close();
    this.#ends();
  }

  async #process(batch: {
    readonly partition: number;
    readonly records: readonly { readonly offset: number; readonly value: Buffer | null }[];
  }) {
    const { trace, from, to } = this.#parts;
    const { partition, records } = batch;
    const offset = records.at(-1)!.offset + 1;
    await this.#producer.transaction(async (tx) => {
      for (const { value } of records) void tx.send({ topic: to, partition, value: outputOf(`${value}`) });
      await tx.sendOffsets(this.#consumer, [{ topic: from, partition, offset }]);
    });
    trace.line(`${this.#owner} has processed partition ${partition} up to ${offset}`, true);
  }

  #suspend(): void {
    const { clock, trace, random } = this.#parts;
    if (this.#isGone || this.#isStopped) return;
    trace.line(`${this.#owner} is suspended`);
    this.#isPaused = true;
    clock.pause(this.#owner);
    clock.schedule("transactions", random.next() * 6000, () => this.#resume());
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#parts.trace.line(`${this.#owner} goes on`);
    this.#parts.clock.resume(this.#owner);
  }

  #kill(): void {
    if (this.#isGone || this.#isStopped) return;
    const { clock, network, trace } = this.#parts;
    trace.line(`${this.#owner} is killed`);
    clock.end(this.#owner);
    network.end(this.#owner);
    this.#ends();
  }

  #ends(): void {
    this.#isGone = true;
    this.#gone.resolve();
  }
}
