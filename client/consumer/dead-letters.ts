import type { RecordHeader } from "../../protocol/records/record.ts";
import { messageOf } from "../base/as-error.ts";
import { DeadLetterFailed, InvalidArgument } from "../base/errors.ts";
import { commonOptionsOf } from "../base/known-options.ts";
import type { RecordMetadata } from "../producer/pending-send.ts";
import { Producer } from "../producer/producer.ts";
import type { ProducerRecord } from "../producer/producer-record.ts";
import { bytesSerde } from "../serialization/serde.ts";
import type { ConsumerOptions } from "./consumer-options.ts";
import type { TakenRecord } from "./record-taker.ts";

/** What dead letters are sent with: a Producer whose serdes take bytes. */
export interface DeadLetterProducer {
  send(record: ProducerRecord<Uint8Array, Uint8Array>, options?: { readonly signal?: AbortSignal }): Promise<RecordMetadata>;
}

/** Where records go whose handler has failed for the last time, or that cannot be deserialized. */
export interface DeadLetterOptions {
  /**
   * Key, value and headers arrive as they were, with headers in addition that say where the record is from and why it is here: see
   * `deadLetterHeaders`.
   */
  readonly topic: string;
  /** Default: one of the run's own, which connects like the consumer and closes with the run. */
  readonly producer?: DeadLetterProducer;
}

/** The headers that a dead letter has in addition; their values are text. */
export const deadLetterHeaders = {
  topic: "__ottla.errors.topic",
  partition: "__ottla.errors.partition",
  offset: "__ottla.errors.offset",
  /** The record's own, in milliseconds since 1970. */
  timestamp: "__ottla.errors.timestamp",
  /** The error's name. */
  exception: "__ottla.errors.exception",
  message: "__ottla.errors.message",
  /** How often the handler was called; 0: the record could not be deserialized. */
  attempts: "__ottla.errors.attempts",
} as const;

/** Characters of an error's message that are kept. */
const messageLengthMax = 1_000;

/** A record as large as a consumer reads them; brokers may allow less. */
const requestBytesMax = 64 * 1024 * 1024;

/** Sends records to the dead letter topic. */
export class DeadLetters {
  readonly #topic: string;
  readonly #makeProducer: () => DeadLetterProducer;
  readonly #onClose: () => void;
  /** Null: none was needed yet. */
  #producer: DeadLetterProducer | null = null;

  constructor(topic: string, makeProducer: () => DeadLetterProducer, onClose: () => void) {
    this.#topic = topic;
    this.#makeProducer = makeProducer;
    this.#onClose = onClose;
  }

  /** Resolves once it is acknowledged; rejects with DeadLetterFailed. */
  async send(taken: TakenRecord, error: unknown, attempts: number, signal: AbortSignal): Promise<void> {
    this.#producer ??= this.#makeProducer();
    try {
      await this.#producer.send(deadLetterOf(this.#topic, taken, error, attempts), { signal });
    } catch (cause) {
      const { topic: from, partition } = taken.partition;
      const place = `${from}-${partition} at offset ${taken.record.offset}`;
      throw new DeadLetterFailed(`${place} could not be sent to ${this.#topic} after its handler had failed: ${textOf(error)}`, cause);
    }
  }

  /** Nobody waits for what is not acknowledged by now. */
  close(): void {
    this.#onClose();
  }
}

/** Null: there are to be none. A producer of our own connects like the consumer, when it is needed. */
export function deadLettersOf<K, V>(options: DeadLetterOptions | undefined, consumer: ConsumerOptions<K, V>): DeadLetters | null {
  if (options === undefined) return null;
  const { topic, producer } = options;
  if (typeof topic !== "string" || topic === "") throw new InvalidArgument("deadLetter needs a topic");
  if (producer !== undefined)
    return new DeadLetters(
      topic,
      () => producer,
      () => undefined,
    );
  const closing = new AbortController();
  const client = commonOptionsOf(consumer);
  const own = () => new Producer({ ...client, ...bytesOnly, requestBytesMax, bufferBytesMax: 2 * requestBytesMax, signal: closing.signal });
  return new DeadLetters(topic, own, () => closing.abort());
}

const bytesOnly = { keySerde: bytesSerde, valueSerde: bytesSerde };

function deadLetterOf(
  topic: string,
  { partition: { topic: from, partition }, record }: TakenRecord,
  error: unknown,
  attempts: number,
): ProducerRecord<Uint8Array, Uint8Array> {
  const added = {
    topic: from,
    partition: String(partition),
    offset: String(record.offset),
    timestamp: String(record.timestampMs),
    exception: error instanceof Error ? error.name : typeof error,
    message: textOf(error),
    attempts: String(attempts),
  };
  const headers = Object.entries(added).map(([what, text]): RecordHeader => {
    return { key: deadLetterHeaders[what as keyof typeof added], value: Buffer.from(text, "utf8") };
  });
  return { topic, key: record.key, value: record.value, headers: [...record.headers, ...headers] };
}

function textOf(error: unknown): string {
  return messageOf(error).slice(0, messageLengthMax);
}
