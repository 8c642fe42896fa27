import { type CompressionCodec, Producer, stringSerde } from "../../../client/index.ts";
import { recordValue } from "../history/value.ts";
import { deliveryTimeoutMs, WriteBook, type Writer, type WriterPlace } from "./writer.ts";

export interface OwnWriterOptions {
  readonly name: string;
  readonly acks: "all" | 1;
  readonly isIdempotent: boolean;
  readonly compression?: CompressionCodec;
  /** Between two records of a partition. Milliseconds. */
  readonly everyMs: number;
}

/** Of one partition; a writer that waits for a partition does not fill its buffer with more. */
const underWayMax = 50;

/** Our own client, which sends without waiting for the answers. */
export class OwnWriter implements Writer {
  readonly name: string;
  readonly #place: WriterPlace;
  readonly #everyMs: number;
  readonly #producer: Producer<string, string>;
  readonly #book: WriteBook;
  readonly #underWay: number[];
  #timer: NodeJS.Timeout | null = null;

  constructor({ name, acks, isIdempotent, compression = "none", everyMs }: OwnWriterOptions, place: WriterPlace) {
    this.name = name;
    this.#place = place;
    this.#everyMs = everyMs;
    this.#underWay = Array.from({ length: place.partitions }, () => 0);
    this.#book = new WriteBook(name, acks, isIdempotent, place);
    this.#producer = new Producer({
      bootstrap: place.bootstrap,
      clientId: name,
      acks,
      enableIdempotence: isIdempotent,
      compression,
      deliveryTimeoutMs,
      keySerde: stringSerde,
      valueSerde: stringSerde,
    });
  }

  start(): void {
    this.#timer = setInterval(() => {
      for (let partition = 0; partition < this.#place.partitions; partition++) this.#send(partition);
    }, this.#everyMs);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#producer.close();
  }

  tellSent(): void {
    this.#book.tellSent();
  }

  #send(partition: number): void {
    const underWay = this.#underWay[partition] ?? 0;
    if (underWay >= underWayMax) return;
    this.#underWay[partition] = underWay + 1;
    const { topic, history } = this.#place;
    const [seq, sentAt] = [this.#book.take(partition), history.now()];
    void this.#producer
      .send({ topic, partition, value: recordValue(this.name, partition, seq) })
      .then(
        ({ offset }) => this.#book.acknowledged(partition, seq, sentAt, offset),
        (error: unknown) => this.#book.unknown(partition, seq, sentAt, error),
      )
      .finally(() => {
        this.#underWay[partition] = (this.#underWay[partition] ?? 1) - 1;
      });
  }
}
