import { setTimeout as sleep } from "node:timers/promises";
import { sampleValues } from "../../cli/bench/sample-values.ts";
import { Consumer, Producer, stringSerde } from "../../client/index.ts";
import { type Book, idOf } from "./book.ts";

export interface TrafficPlace {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly partitions: number;
  readonly book: Book;
}

const fillBytes = 8_192;
/** Of records that are not acknowledged; more are not sent. */
const fillUnderWayMax = 4_000;
const steadyBytes = 1_024;
const steadyUnderWayMax = 50_000;
const deliveryTimeoutMs = 120_000;
const members = 2;

/** The same number of records in each partition, as fast as they are taken. */
export async function fill({ bootstrap, topic, partitions, book }: TrafficPlace, megabytes: number): Promise<void> {
  await using producer = new Producer({ bootstrap, keySerde: stringSerde, deliveryTimeoutMs });
  const values = sampleValues(fillBytes);
  const each = Math.ceil((megabytes * 2 ** 20) / fillBytes / partitions);
  let [underWay, failure] = [0, null as unknown];
  for (let n = 0; n < each * partitions; n++) {
    while (underWay >= fillUnderWayMax) await sleep(1);
    if (failure !== null) throw failure;
    const partition = n % partitions;
    const seq = book.take(partition, "fill");
    underWay++;
    producer
      .send({ topic, partition, key: idOf("fill", seq), value: values[n % values.length] as Buffer })
      .then(
        ({ offset }) => book.acknowledged(partition, "fill", seq, offset as number),
        (error: unknown) => {
          failure = error;
        },
      )
      .finally(() => underWay--);
  }
  await producer.flush();
  if (failure !== null) throw failure;
}

/** What clients saw since it was asked last. */
export interface Seen {
  /** From when a record was due to its acknowledgement. Milliseconds; ascending. */
  readonly latencies: readonly number[];
  readonly read: number;
  readonly failed: number;
}

/** Records at a constant rate with acks=all, each partition in turn, and a group that reads all there is. */
export class Traffic {
  readonly #place: TrafficPlace;
  readonly #rate: number;
  readonly #producer: Producer<string, Buffer>;
  readonly #consumers: readonly Consumer<string, Buffer>[];
  readonly #values = sampleValues(steadyBytes);
  #reading: readonly Promise<void>[] = [];
  #writing: Promise<void> = Promise.resolve();
  #latencies: number[] = [];
  #read = 0;
  #failed = 0;
  #underWay = 0;
  #isStopped = false;

  constructor(place: TrafficPlace, rate: number) {
    this.#place = place;
    this.#rate = rate;
    const { bootstrap, topic } = place;
    this.#producer = new Producer({ bootstrap, keySerde: stringSerde, deliveryTimeoutMs });
    this.#consumers = Array.from(
      { length: members },
      () => new Consumer({ bootstrap, group: `${topic}-readers`, keySerde: stringSerde, offsetReset: "earliest" }),
    );
  }

  async start(): Promise<void> {
    this.#reading = this.#consumers.map((consumer) => this.#readAll(consumer));
    this.#writing = this.#write();
  }

  takeSeen(): Seen {
    const seen = { latencies: this.#latencies.toSorted((a, b) => a - b), read: this.#read, failed: this.#failed };
    this.#latencies = [];
    this.#read = 0;
    this.#failed = 0;
    return seen;
  }

  /** Nothing more is written, and what was is acknowledged or given up. */
  async stopWriting(): Promise<void> {
    this.#isStopped = true;
    await this.#writing;
    await this.#producer.close();
  }

  async stopReading(): Promise<void> {
    await Promise.all(this.#consumers.map((consumer) => consumer.close()));
    await Promise.all(this.#reading);
  }

  /** What is due and cannot be sent is sent later, and its latency tells. */
  async #write(): Promise<void> {
    const startedMs = performance.now();
    const dueMs = (n: number) => startedMs + (n * 1_000) / this.#rate;
    for (let sent = 0; !this.#isStopped; await sleep(1))
      while (!this.#isStopped && dueMs(sent) <= performance.now() && this.#underWay < steadyUnderWayMax) this.#send(sent, dueMs(sent++));
  }

  #send(n: number, dueMs: number): void {
    const { topic, partitions, book } = this.#place;
    const partition = n % partitions;
    const seq = book.take(partition, "steady");
    this.#underWay++;
    this.#producer
      .send({ topic, partition, key: idOf("steady", seq), value: this.#values[n % this.#values.length] as Buffer })
      .then(
        ({ offset }) => {
          book.acknowledged(partition, "steady", seq, offset as number);
          this.#latencies.push(performance.now() - dueMs);
        },
        () => {
          book.failed(partition);
          this.#failed++;
        },
      )
      .finally(() => this.#underWay--);
  }

  async #readAll(consumer: Consumer<string, Buffer>): Promise<void> {
    await consumer.subscribe([this.#place.topic]);
    for await (const { partition, records } of consumer.batches()) {
      for (const { offset, key } of records) this.#place.book.read(partition, offset, key ?? "");
      this.#read += records.length;
    }
  }
}
