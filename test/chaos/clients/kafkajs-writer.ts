import "../../support/outside/kafkajs-patience.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { Kafka, logLevel, Partitioners, type Producer } from "kafkajs";
import { recordValue } from "../history/value.ts";
import { WriteBook, type Writer, type WriterPlace } from "./writer.ts";

export interface KafkajsWriterOptions {
  readonly name: string;
  readonly acks: "all" | 1;
  readonly isIdempotent: boolean;
  /** Between two records. Milliseconds. */
  readonly everyMs: number;
}

export function patientKafkajs(bootstrap: readonly string[], clientId: string): Kafka {
  return new Kafka({
    clientId,
    brokers: [...bootstrap],
    logLevel: logLevel.NOTHING,
    requestTimeout: 10_000,
    connectionTimeout: 3_000,
    retry: { retries: 30, initialRetryTime: 100, maxRetryTime: 2_000 },
  });
}

/**
 * kafkajs, one record at a time, in the partitions' turn. After a failure it goes on with a new producer: one that gave up a record
 * numbers the next one as it had numbered that, and brokers may take the one for the other.
 */
export class KafkajsWriter implements Writer {
  readonly name: string;
  readonly #options: KafkajsWriterOptions;
  readonly #place: WriterPlace;
  readonly #book: WriteBook;
  #isStopping = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: KafkajsWriterOptions, place: WriterPlace) {
    this.name = options.name;
    this.#options = options;
    this.#place = place;
    this.#book = new WriteBook(options.name, options.acks, options.isIdempotent, place);
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  tellSent(): void {
    this.#book.tellSent();
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      const kafka = patientKafkajs(this.#place.bootstrap, this.name);
      const { isIdempotent: idempotent } = this.#options;
      const partitioner = { createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false };
      const producer = kafka.producer({ ...partitioner, idempotent, maxInFlightRequests: 1 });
      try {
        await producer.connect();
        await this.#writeUntilFailure(producer);
      } catch {
        await sleep(500);
      } finally {
        await producer.disconnect().catch(() => {});
      }
    }
  }

  async #writeUntilFailure(producer: Producer): Promise<void> {
    const { topic, history, partitions } = this.#place;
    for (let turn = 0; !this.#isStopping; turn++) {
      const partition = turn % partitions;
      const [seq, sentAt] = [this.#book.take(partition), history.now()];
      const messages = [{ partition, value: recordValue(this.name, partition, seq) }];
      try {
        const [answer] = await producer.send({ topic, acks: this.#options.acks === "all" ? -1 : 1, messages });
        const offset = answer?.baseOffset === undefined ? null : Number(answer.baseOffset);
        this.#book.acknowledged(partition, seq, sentAt, offset);
      } catch (error) {
        this.#book.unknown(partition, seq, sentAt, error);
        throw error;
      }
      await sleep(this.#options.everyMs);
    }
  }
}
