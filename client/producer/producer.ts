import { recordBytesAtMost, timestampMaxMs } from "../../protocol/records/encode-batch.ts";
import { type RecordHeader, type RecordToEncode, recordHeadersMax } from "../../protocol/records/record.ts";
import type { ClientEventName } from "../base/client-event-map.ts";
import type { ClientListener, EventSource } from "../base/client-events.ts";
import type { ProducerMetrics } from "../base/client-metrics.ts";
import { BufferExhausted, ClientClosed, InvalidArgument, RecordTooLarge } from "../base/errors.ts";
import { shownValue } from "../base/kind-of.ts";
import { Cluster } from "../metadata/cluster.ts";
import type { TopicMetadata } from "../metadata/cluster-snapshot.ts";
import { mayBecomeKnown } from "../metadata/metadata-cache.ts";
import { bytesOrText, type Serde, serializeWith } from "../serialization/serde.ts";
import { Accumulator } from "./accumulator.ts";
import { BufferSpace } from "./buffer-space.ts";
import { availablePartitions, DefaultPartitioner, type Partitioner } from "./partitioner.ts";
import { type PendingSend, type RecordMetadata, SendGroup, SingleSend } from "./pending-send.ts";
import type { ProducerBatch } from "./producer-batch.ts";
import { IdentitySource } from "./producer-identity.ts";
import { type ProducerOptions, type ProducerSettings, producerSettings } from "./producer-options.ts";
import { checkRecord, checkRecords, encodeHeaders, type ProducerRecord } from "./producer-record.ts";
import { SendLane, type WaitingSend } from "./send-lane.ts";
import { Sender } from "./sender.ts";

export interface SendOptions {
  /** Stops waiting for room or metadata. A record that is already in flight is not cancelled. */
  readonly signal?: AbortSignal;
}

/** A broker remembers the last five batches of each producer. */
const inFlightIdempotent = 5;
/** Room that a record takes in addition to its bytes: promise, bookkeeping. */
const recordOverheadBytes = 128;
/** `send` calls that wait for room or metadata; more fail at once. */
const waitingSendsMax = 250_000;

interface PreparedRecord {
  readonly topic: string;
  readonly partition: number | undefined;
  readonly record: RecordToEncode;
  readonly recordBytes: number;
  readonly send: PendingSend;
}

const noHeaders: readonly RecordHeader[] = [];

/** How a send waits. */
interface Wait {
  readonly lane: SendLane;
  /** Monotonic. */
  readonly sinceMs: number;
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
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
  readonly #defaultPartitioner: DefaultPartitioner;
  readonly #partitioner: Partitioner | null;
  readonly #keySerde: Pick<Serde<K>, "serialize">;
  readonly #valueSerde: Pick<Serde<V>, "serialize">;
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
      maxInFlightPerPartition: settings.isIdempotent ? inFlightIdempotent : 1,
      isAnswered: settings.acks !== 0,
    });
    this.#defaultPartitioner = new DefaultPartitioner(cluster.runtime.random, settings.batchBytesMax, (topic, partition) => {
      this.#accumulator.doNotLinger(topic, partition);
      this.#sender.wake();
    });
    this.#partitioner = options.partitioner ?? null;
    this.#keySerde = options.keySerde ?? (bytesOrText as unknown as Serde<K>);
    this.#valueSerde = options.valueSerde ?? (bytesOrText as unknown as Serde<V>);
    this.#sender = new Sender({
      cluster,
      accumulator: this.#accumulator,
      settings,
      identities: new IdentitySource(cluster),
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
    return new Promise((resolve, reject) => this.#begin(record, new SingleSend(resolve, reject), signal));
  }

  /**
   * Several records; resolves when all are acknowledged, with their metadata in the same order. Rejects when one fails (the others are
   * still tried).
   */
  sendMany(records: readonly ProducerRecord<K, V>[], { signal }: SendOptions = {}): Promise<RecordMetadata[]> {
    return new Promise((resolve, reject) => {
      checkRecords(records);
      const group = new SendGroup(records.length, { resolve, reject });
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
   * those that still wait for their topic or for room), closes the connections.
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
    const prepared = this.#prepare(record, send);
    const topic = this.#cluster.metadata.topic(record.topic, nowMs);
    if (topic !== undefined && !this.#lanes.has(record.topic) && this.#space.tryTake(send.reservedBytes))
      return this.#enqueue(prepared, topic, nowMs);
    this.#queueSend(prepared, signal);
  }

  #prepare(given: ProducerRecord<K, V>, send: PendingSend): PreparedRecord {
    checkRecord(given);
    const { topic, key, value, headers, partition, timestampMs } = given;
    if (partition !== undefined && (!Number.isInteger(partition) || partition < 0))
      throw new InvalidArgument(`${shownValue(partition)} is no partition: it is a number from 0`);
    const time = timestampMs ?? Math.floor(this.#cluster.runtime.clock.nowMs());
    if (!Number.isInteger(time) || time < -1 || time > timestampMaxMs)
      throw new InvalidArgument(`${shownValue(time)} is no timestampMs: it is a number, milliseconds since 1970`);
    const record = {
      key: serializeWith(this.#keySerde, key, "key"),
      value: serializeWith(this.#valueSerde, value, "value"),
      headers: headers === undefined ? noHeaders : encodeHeaders(headers),
      timestampMs: time,
    };
    if (record.headers.length > recordHeadersMax)
      throw new RecordTooLarge(`the record has ${record.headers.length} headers, at most ${recordHeadersMax} are taken`);
    const recordBytes = recordBytesAtMost(record);
    const bytesMax = Math.min(this.#settings.recordsBytesMax, this.#settings.bufferBytesMax - recordOverheadBytes);
    if (recordBytes > bytesMax)
      throw new RecordTooLarge(`the record takes up to ${recordBytes} bytes, requestBytesMax and bufferBytesMax allow ${bytesMax}`);
    send.timestampMs = time;
    send.reservedBytes = recordBytes + recordOverheadBytes;
    return { topic, partition, record, recordBytes, send };
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
    const wait: Wait = { lane, sinceMs, deadlineMs: sinceMs + this.#settings.maxBlockMs, signal, leave: () => lane.leave(waiting) };
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
    if (topic === undefined || this.#cluster.isClosed || signal?.aborted) {
      this.#space.give(reservedBytes);
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
