import type { Clock } from "../../protocol/base/clock.ts";
import type { LineSource } from "./line-source.ts";
import type { SplitLine } from "./line-splitter.ts";
import { type KeyAndValue, type LineFormat, recordOfLine } from "./record-of-line.ts";
import { UnderWay } from "./under-way.ts";

/** What shipping needs of a producer. */
export interface LineProducer {
  send(record: KeyAndValue & { readonly topic: string; readonly partition?: number }): Promise<{ readonly attempts: number }>;
  flush(): Promise<void>;
}

export interface ShipOptions {
  readonly topic: string;
  /** Instead of the key's choice. */
  readonly partition: number | null;
  readonly format: LineFormat;
  /** Called after every so many lines, with the figures so far. */
  readonly onProgress: (report: ShipReport) => void;
  /** Called at the first failure, so that a source which waits for more lines can be ended. */
  readonly onFailure: () => void;
}

export interface ShipReport {
  readonly lines: number;
  readonly acknowledged: number;
  readonly failed: number;
  /** Of the acknowledged lines, those that were sent more than once: without idempotence each of them may be in the log twice. */
  readonly retried: number;
  /** Of all lines, without their line feeds. */
  readonly bytes: number;
  readonly durationMs: number;
  /** Why the first failed line failed. */
  readonly failure: Error | null;
}

/** Less than the producer's buffer, so that a send never waits for room, nor fails for lack of it. */
const underWayMax = { linesMax: 50_000, bytesMax: 16 * 1024 * 1024 };

/**
 * Sends every line of the source, in order, reading no further ahead than the producer accepts. Ends with the source or, with nothing sent
 * after it, at the first failure.
 */
export async function shipLines(source: LineSource, producer: LineProducer, options: ShipOptions, clock: Clock): Promise<ShipReport> {
  const shipment = new Shipment(producer, options, clock);
  read: for await (const { lines, stored } of source.batches()) {
    for (const line of lines) {
      if (shipment.isFull) await shipment.room();
      if (shipment.report().failure !== null) break read;
      stored?.sent(line.endPosition);
      shipment.send(line, () => stored?.acknowledged(line.endPosition));
    }
    options.onProgress(shipment.report());
  }
  await producer.flush();
  await shipment.settled();
  return shipment.report();
}

class Shipment {
  readonly #producer: LineProducer;
  readonly #options: ShipOptions;
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  readonly #underWay = new UnderWay(underWayMax);
  #figures = { lines: 0, acknowledged: 0, failed: 0, retried: 0, bytes: 0 };
  #failure: Error | null = null;
  #whenSettled: (() => void) | null = null;

  constructor(producer: LineProducer, options: ShipOptions, clock: Clock) {
    this.#producer = producer;
    this.#options = options;
    this.#clock = clock;
    this.#startedAtMs = clock.monotonicMs();
  }

  get isFull(): boolean {
    return this.#underWay.isFull;
  }

  room(): Promise<void> {
    return this.#underWay.room();
  }

  report(): ShipReport {
    return { ...this.#figures, durationMs: this.#clock.monotonicMs() - this.#startedAtMs, failure: this.#failure };
  }

  send({ bytes }: SplitLine, onAcknowledged: () => void): void {
    const { topic, partition, format } = this.#options;
    const figures = this.#figures;
    figures.lines++;
    figures.bytes += bytes.length;
    this.#underWay.begin(bytes.length);
    const record = { topic, ...recordOfLine(bytes, format), ...(partition === null ? {} : { partition }) };
    this.#producer
      .send(record)
      .then(
        ({ attempts }) => {
          figures.acknowledged++;
          if (attempts > 1) figures.retried++;
          onAcknowledged();
        },
        (error: Error) => {
          figures.failed++;
          if (this.#failure !== null) return;
          this.#failure = error;
          this.#options.onFailure();
        },
      )
      .finally(() => {
        this.#underWay.end(bytes.length);
        if (figures.acknowledged + figures.failed === figures.lines) this.#whenSettled?.();
      });
  }

  /** Resolves when every line sent was acknowledged or failed. */
  settled(): Promise<void> {
    const { lines, acknowledged, failed } = this.#figures;
    if (acknowledged + failed === lines) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenSettled = resolve;
    });
  }
}
