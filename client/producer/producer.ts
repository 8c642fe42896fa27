import type { ClientEventName } from "../base/client-event-map.ts";
import type { ClientListener, EventSource } from "../base/client-events.ts";
import type { ProducerMetrics } from "../base/client-metrics.ts";
import { BufferExhausted, ClientClosed, InvalidArgument } from "../base/errors.ts";
import { Cluster } from "../metadata/cluster.ts";
import type { TopicMetadata } from "../metadata/cluster-snapshot.ts";
import { mayBecomeKnown } from "../metadata/metadata-cache.ts";
import { bytesOrText, type Serde } from "../serialization/serde.ts";
import { Transactions, type TransactionWriter } from "../transaction/transactions.ts";
import { Accumulator } from "./accumulator.ts";
import { BufferSpace } from "./buffer-space.ts";
import { availablePartitions, DefaultPartitioner, type Partitioner } from "./partitioner.ts";
import { type PendingSend, type RecordMetadata, SendGroup, SingleSend } from "./pending-send.ts";
import { type PreparedRecord, RecordPreparer, recordOverheadBytes } from "./prepared-record.ts";
import type { ProducerBatch } from "./producer-batch.ts";
import { IdentitySource } from "./producer-identity.ts";
import { type ProducerOptions, type ProducerSettings, producerSettings } from "./producer-options.ts";
import { checkRecords, type ProducerRecord, type SendOptions } from "./producer-record.ts";
import { ProducerTransactions, type Transaction } from "./producer-transactions.ts";
import { SendLane, type WaitingSend } from "./send-lane.ts";
import { Sender } from "./sender.ts";

/** A broker remembers the last five batches of each producer. */
const inFlightIdempotent = 5;
/** `send` calls that wait for room or metadata; more fail at once. */
const waitingSendsMax = 250_000;

/** How a send waits. */
interface Wait {
  readonly lane: SendLane;
  /** Monotonic. */
  readonly sinceMs: number;
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  /** False: its caller was told already that it is not sent. */
  readonly isWaiting: () => boolean;
  /** The record is in a batch. */
  readonly leave: () => void;
}

/**
 * Writes records to topics, each exactly once. Batches what is sent together, follows partitions when their leaders change, and retries
 * until the delivery timeout.
 *
 * ```ts
 * await using producer = new Producer({ bootstrap: "127.0.0.1:9092", valueSerde: jsonSerde<Order>(), compression: "zstd" });
 * const { partition, offset } = await producer.send({ topic: "orders", key: order.customer, value: order });
 * ```
 *
 * `send` resolves when the record is acknowledged. For throughput do not await each: start many, then await them together, or `flush`.
 * Leaving the `await using` block waits until everything was acknowledged or failed.
 */
export class Producer<K = Uint8Array | string, V = Uint8Array | string> implements EventSource, AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #settings: ProducerSettings;
  readonly #space: BufferSpace;
  readonly #accumulator: Accumulator;
  readonly #sender: Sender;
  /** Null: the producer has no `transactionalId`. */
  readonly #transactions: Transactions | null;
  readonly #defaultPartitioner: DefaultPartitioner;
  readonly #partitioner: Partitioner | null;
  readonly #preparer: RecordPreparer<K, V>;
  /** By topic. A send to a topic whose earlier sends wait queues behind them. */
  readonly #lanes = new Map<string, SendLane>();
  #waitingSends = 0;
  #flushes = 0;
  #closing: Promise<void> | null = null;

  constructor(options: ProducerOptions<K, V>) {
    const settings = producerSettings(options);
    const cluster = new Cluster(options, { kind: "producer", mayCreateTopics: options.allowAutoTopicCreation ?? true });
    this.#settings = settings;
    this.#cluster = cluster;
    this.#space = new BufferSpace(cluster.runtime.clock, settings.bufferBytesMax);
    this.#accumulator = new Accumulator({
      ...settings,
      numbers: settings.isTransactional ? "coordinated" : settings.isIdempotent ? "own" : "none",
      maxInFlightPerPartition: settings.isIdempotent ? inFlightIdempotent : 1,
      isAnswered: settings.acks !== 0,
    });
    this.#transactions = settings.isTransactional ? new Transactions(cluster, settings, this.#transactionWriter()) : null;
    this.#defaultPartitioner = new DefaultPartitioner(cluster.runtime.random, settings.batchBytesMax, (topic, partition) => {
      this.#accumulator.doNotLinger(topic, partition);
      this.#sender.wake();
    });
    this.#partitioner = options.partitioner ?? null;
    this.#preparer = new RecordPreparer({
      clock: cluster.runtime.clock,
      bytesMax: Math.min(settings.recordsBytesMax, settings.bufferBytesMax - recordOverheadBytes),
      keySerde: options.keySerde ?? (bytesOrText as unknown as Serde<K>),
      valueSerde: options.valueSerde ?? (bytesOrText as unknown as Serde<V>),
    });
    this.#sender = new Sender({
      cluster,
      accumulator: this.#accumulator,
      settings,
      identities: this.#transactions ?? new IdentitySource(cluster),
      isHurried: () => this.#flushes > 0 || this.#closing !== null || this.#space.hasWaiters,
      onSettled: (batch) => this.#giveBack(batch),
    });
    options.signal?.addEventListener("abort", () => this.#end(new ClientClosed("the producer was aborted")), {
      once: true,
      signal: this.#cluster.signal,
    });
    if (options.signal?.aborted) this.#end(new ClientClosed("the producer was aborted"));
  }

  /** Tells of what happens inside: see `ClientEventMap`. Returns a function that takes the listener away. */
  on<E extends ClientEventName>(event: E, listener: ClientListener<E>): () => void {
    return this.#cluster.events.on(event, listener);
  }

  /** Which client it is, in this process: in its log lines, and on diagnostics channels. */
  get id(): string {
    return this.#cluster.identity.id;
  }

  /** What it has counted, and how things stand now. */
  metrics(): ProducerMetrics {
    let recordsInBuffer = 0;
    for (const { sends } of this.#accumulator.unsettled) recordsInBuffer += sends.length;
    return {
      ...this.#cluster.metrics(),
      ...this.#sender.counters,
      recordsInBuffer,
      bufferBytes: this.#space.usedBytes,
      bufferBytesMax: this.#settings.bufferBytesMax,
      sendsWaiting: this.#waitingSends,
    };
  }

  /**
   * Resolves once the record is acknowledged as `acks` requires. Records of one partition are written in the order of the calls.
   * Rejects with DeliveryTimedOut, KafkaProtocolError, RecordTooLarge, BufferExhausted, SerializationFailed, InvalidArgument, ClientClosed,
   * or the signal's reason.
   */
  send(record: ProducerRecord<K, V>, { signal }: SendOptions = {}): Promise<RecordMetadata> {
    return this.#send(record, signal);
  }

  /**
   * Several records; resolves when all are acknowledged, with their metadata in the same order. Rejects when one fails (the others are
   * still tried).
   */
  sendMany(records: readonly ProducerRecord<K, V>[], { signal }: SendOptions = {}): Promise<RecordMetadata[]> {
    return this.#sendMany(records, signal);
  }

  /** `serial`: of the transaction that it belongs to; undefined: whichever is open. */
  #send(record: ProducerRecord<K, V>, signal: AbortSignal | undefined, serial?: number): Promise<RecordMetadata> {
    return new Promise((resolve, reject) => {
      const fail = this.#failing(reject, serial);
      try {
        this.#begin(record, new SingleSend(resolve, fail), signal);
      } catch (error) {
        fail(error as Error);
      }
    });
  }

  #sendMany(records: readonly ProducerRecord<K, V>[], signal: AbortSignal | undefined, serial?: number): Promise<RecordMetadata[]> {
    return new Promise((resolve, reject) => {
      checkRecords(records);
      const group = new SendGroup(records.length, { resolve, reject: this.#failing(reject, serial) });
      for (const [index, record] of records.entries()) {
        const send = group.sendOf(index);
        try {
          this.#begin(record, send, signal);
        } catch (error) {
          send.reject(error as Error);
        }
      }
    });
  }

  /** What fails in a transaction makes it fail. Throws where nothing can be sent. */
  #failing(reject: (error: Error) => void, serial: number | undefined): (error: Error) => void {
    const transactions = this.#transactions;
    if (transactions === null) return reject;
    const present = transactions.checkMaySend(serial);
    return (error) => {
      transactions.sendFailed(present, error);
      reject(error);
    };
  }

  /**
   * Fences every other producer of the `transactionalId`, which the first transaction does otherwise. Worth it before reading what a former
   * one has committed.
   */
  async initTransactions(): Promise<void> {
    await this.#transactional().initialize();
  }

  /**
   * Runs `work` in a transaction: commits when it resolves, aborts when it rejects, and then rejects with the same. Other failures:
   * TransactionFailed, it was aborted and may be tried again as a whole; ProducerFailed, this producer is over; TransactionOutcomeUnknown,
   * it may be committed. A producer has one transaction at a time: another call meanwhile rejects with InvalidTransactionState.
   */
  async transaction<T>(work: (transaction: Transaction<K, V>) => Promise<T>): Promise<T> {
    return this.#inTransactions().run(work);
  }

  /** As `transaction`, to be ended by `commit` or `abort` of what it resolves with. */
  async beginTransaction(): Promise<Transaction<K, V>> {
    return this.#inTransactions().begin();
  }

  #transactional(): Transactions {
    if (this.#closing !== null || this.#cluster.isClosed) throw new ClientClosed("the producer is closed");
    if (this.#transactions === null) throw new InvalidArgument("transactions need a name: give the producer a transactionalId");
    return this.#transactions;
  }

  #inTransactions(): ProducerTransactions<K, V> {
    return new ProducerTransactions(this.#transactional(), (serial) => ({
      send: (record, { signal } = {}) => this.#send(record, signal, serial),
      sendMany: (records, { signal } = {}) => this.#sendMany(records, signal, serial),
    }));
  }

  #transactionWriter(): TransactionWriter {
    return {
      useIdentity: (identity) => {
        this.#accumulator.identity = identity;
      },
      flush: () => this.flush(),
      drop: (reason) => {
        for (const lane of this.#lanes.values()) lane.failAll(reason);
        this.#sender.wake();
      },
      wake: () => this.#sender.wake(),
    };
  }

  /** Resolves once everything sent before has been acknowledged or has failed; nothing lingers meanwhile. */
  async flush(): Promise<void> {
    this.#flushes++;
    try {
      this.#sender.wake();
      await Promise.all([...this.#lanes.values()].map((lane) => lane.passed()));
      this.#sender.wake();
      await Promise.all(this.#accumulator.unsettled.map((batch) => batch.whenSettled));
    } finally {
      this.#flushes--;
    }
  }

  /**
   * Accepts no more records, waits until those sent are acknowledged or have failed (at most the delivery timeout, after `maxBlockMs` for
   * those that still wait for their topic or for room), closes the connections. A transaction that is open is aborted.
   */
  close(): Promise<void> {
    this.#closing ??= this.#flushAndEnd();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The partitions of a topic as the producer sees them; waits for them up to `maxBlockMs`. */
  partitionsOf(topic: string, { signal }: SendOptions = {}): Promise<TopicMetadata> {
    return this.#cluster.metadata.awaitTopic(topic, this.#cluster.runtime.clock.monotonicMs() + this.#settings.maxBlockMs, signal);
  }

  async #flushAndEnd(): Promise<void> {
    await this.#transactions?.close();
    await this.flush();
    this.#end(new ClientClosed("the producer was closed"));
  }

  #end(reason: ClientClosed): void {
    this.#closing ??= Promise.resolve();
    this.#sender.close();
    for (const batch of this.#accumulator.takeExpired(Number.POSITIVE_INFINITY)) {
      this.#sender.counters.recordsFailed += batch.sends.length;
      batch.fail(reason);
      this.#giveBack(batch);
    }
    this.#cluster.close(reason);
  }

  /** Throws what is wrong with the record, or with the producer. */
  #begin(record: ProducerRecord<K, V>, send: PendingSend, signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#closing !== null || this.#cluster.isClosed) throw new ClientClosed("the producer is closed");
    const nowMs = this.#cluster.runtime.clock.monotonicMs();
    const prepared = this.#preparer.prepare(record, send);
    const topic = this.#cluster.metadata.topic(record.topic, nowMs);
    if (topic !== undefined && !this.#lanes.has(record.topic) && this.#space.tryTake(send.reservedBytes))
      return this.#enqueue(prepared, topic, nowMs);
    this.#queueSend(prepared, signal);
  }

  #queueSend(prepared: PreparedRecord, signal: AbortSignal | undefined): void {
    if (this.#waitingSends >= waitingSendsMax) throw new BufferExhausted(`${waitingSendsMax} sends wait for room already`);
    const { topic, send } = prepared;
    const lane = this.#lanes.get(topic) ?? new SendLane(() => this.#lanes.delete(topic));
    this.#lanes.set(topic, lane);
    this.#waitingSends++;
    const { counters } = this.#sender;
    counters.sendsDelayed++;
    const sinceMs = this.#cluster.runtime.clock.monotonicMs();
    const wait: Wait = {
      lane,
      sinceMs,
      deadlineMs: sinceMs + this.#settings.maxBlockMs,
      signal,
      isWaiting: () => lane.holds(waiting),
      leave: () => lane.leave(waiting),
    };
    const waiting: WaitingSend = {
      signal,
      admit: () => this.#admit(prepared, wait),
      reject: (error) => {
        counters.recordsFailed++;
        send.reject(error as Error);
      },
      left: () => this.#waitingSends--,
    };
    lane.join(waiting);
  }

  async #admit(prepared: PreparedRecord, wait: Wait): Promise<void> {
    const { deadlineMs, signal } = wait;
    const { clock } = this.#cluster.runtime;
    const { reservedBytes } = prepared.send;
    await this.#awaitTopic(prepared.topic, wait);
    if (!this.#space.tryTake(reservedBytes)) {
      const room = this.#space.take(reservedBytes, Math.max(deadlineMs - clock.monotonicMs(), 0), signal);
      this.#sender.wake(); // nothing lingers while a caller waits
      await room;
    }
    const topic = this.#cluster.metadata.topic(prepared.topic);
    if (topic === undefined || this.#cluster.isClosed || signal?.aborted || !wait.isWaiting()) {
      this.#space.give(reservedBytes);
      if (!wait.isWaiting()) return;
      signal?.throwIfAborted(); // since the room was given: its caller was told that the record is not sent
      if (topic !== undefined) throw new ClientClosed("the producer was closed");
      return this.#admit(prepared, wait); // dropped from the metadata while we waited for room
    }
    const nowMs = clock.monotonicMs();
    this.#enqueue(prepared, topic, nowMs);
    this.#sender.counters.sendDelayTimeMs += nowMs - wait.sinceMs;
    wait.leave();
  }

  /** What waiting cannot mend is wrong for all that wait for the topic: they need not ask again, one after the other. */
  async #awaitTopic(topic: string, { lane, sinceMs, deadlineMs, signal }: Wait): Promise<void> {
    try {
      await this.#cluster.metadata.awaitTopic(topic, deadlineMs, signal, { sinceMs });
    } catch (error) {
      if (!mayBecomeKnown(error) && !signal?.aborted) lane.failAll(error);
      throw error;
    }
  }

  /** The record joins a batch. From choosing the partition to here nothing is awaited. */
  #enqueue(prepared: PreparedRecord, topic: TopicMetadata, nowMs: number): void {
    const { send } = prepared;
    let partition: number;
    try {
      partition = this.#choosePartition(prepared, topic);
    } catch (error) {
      this.#space.give(send.reservedBytes);
      throw error;
    }
    const worthALook = this.#accumulator.append(topic.name, partition, prepared, send, nowMs);
    if (worthALook) this.#sender.wake();
  }

  #choosePartition({ partition, record, recordBytes }: PreparedRecord, topic: TopicMetadata): number {
    const partitionsCount = topic.partitions.length;
    const { key, value, headers = [] } = record;
    const chosen =
      partition ??
      this.#partitioner?.({ topic: topic.name, key, value, headers, partitionsCount, availablePartitions: availablePartitions(topic) }) ??
      this.#defaultPartitioner.partition(topic, key, recordBytes);
    if (!Number.isInteger(chosen) || chosen < 0 || chosen >= partitionsCount)
      throw new InvalidArgument(`topic ${topic.name} has partitions 0 to ${partitionsCount - 1}, not ${chosen}`);
    return chosen;
  }

  #giveBack(batch: ProducerBatch): void {
    let bytes = 0;
    for (const { reservedBytes } of batch.sends) bytes += reservedBytes;
    this.#space.give(bytes);
  }
}
