import { abortable } from "../../client/base/abort.ts";
import type { Clock, Timer } from "../../protocol/base/clock.ts";
import { BadLine, isInDoubt, isOfTheLine } from "./bad-line.ts";
import { type LineRanges, LineSelector } from "./line-selection.ts";
import type { LineSource } from "./line-source.ts";
import type { SplitLine } from "./line-splitter.ts";
import type { ReadRecord, RecordToSend } from "./record-of-line.ts";
import { UnderWay, underWayMax } from "./under-way.ts";

/** What shipping needs of a producer. */
export interface LineProducer {
  /** `bytes`: of the line. */
  send(record: RecordToSend & { readonly topic: string }, bytes: number): Promise<{ readonly attempts: number }>;
  flush(): Promise<void>;
}

/** How a run is ended before its source ends by itself. */
export interface Stopping {
  /** The source ends at that; what was sent is waited for. */
  readonly stop: AbortSignal;
  /** Nothing is waited for any more. */
  readonly abandoned: AbortSignal;
  /** Told how many lines are waited for, when stopping takes a while. */
  readonly onWait: (lines: number) => void;
}

export interface ShipOptions extends RecordHandling {
  /** Lines of the input that are to be sent; the others are passed over. */
  readonly lines: LineRanges;
  /** Called after every so many lines, with the figures so far. */
  readonly onProgress: (report: ShipReport) => void;
  readonly stopping: Stopping;
}

/** Most answers that are on their way have arrived by then. */
const tellWaitAfterMs = 200;

export interface RecordHandling {
  readonly topic: string;
  readonly read: ReadRecord;
  /** Told of each line that is left out for what is wrong with it. Null: such a line ends the run. */
  readonly onBadLine: ((line: number, error: Error) => void) | null;
  /** Called at the first failure, so that a source which waits for more lines can be ended. */
  readonly onFailure: () => void;
}

export interface ShipReport {
  /** Taken from the input to be sent, those that are left out included. */
  readonly lines: number;
  readonly acknowledged: number;
  readonly failed: number;
  /** Of those that failed: sent, and it is not known what came of it. */
  readonly inDoubt: number;
  /** Left out for what is wrong with them. */
  readonly skipped: number;
  /** Of the acknowledged lines, those that were sent more than once: without idempotence each of them may be in the log twice. */
  readonly retried: number;
  /** Of all lines, without their line feeds. */
  readonly bytes: number;
  readonly durationMs: number;
  /** Why the first line that failed did. */
  readonly failure: LineFailure | null;
  /** Number in the input of the last line that was looked at; 0: none. */
  readonly lastLine: number;
  /** Numbers of the lines that were looked at and not stored, in ascending order; those left out are not among them. */
  readonly failedLines: readonly number[];
  /** Some were still waited for: they are among those that failed, in doubt. */
  readonly isAbandoned: boolean;
}

export interface LineFailure {
  /** Number in the input, from 1. */
  readonly line: number;
  readonly error: Error;
}

/**
 * Sends the lines of the source, in order, reading no further ahead than the producer accepts. Ends with the source or, with nothing sent
 * after it, at the first failure; or when it is abandoned.
 */
export async function shipLines(source: LineSource, producer: LineProducer, options: ShipOptions, clock: Clock): Promise<ShipReport> {
  const shipment = new Shipment(producer, options, clock);
  const { stop, abandoned, onWait } = options.stopping;
  const tell = () => {
    if (shipment.unsettled > 0) onWait(shipment.unsettled);
  };
  let timer: Timer | null = null;
  const onStop = () => {
    timer = clock.schedule(tellWaitAfterMs, tell);
  };
  stop.addEventListener("abort", onStop, { once: true });
  try {
    await abortable(shipAll(source, producer, options, shipment), abandoned);
    return shipment.report();
  } catch (error) {
    if (!abandoned.aborted) throw error;
    return shipment.abandoned();
  } finally {
    stop.removeEventListener("abort", onStop);
    (timer as Timer | null)?.cancel();
  }
}

async function shipAll(source: LineSource, producer: LineProducer, options: ShipOptions, shipment: Shipment): Promise<void> {
  const wanted = new LineSelector(options.lines);
  read: for await (const { lines, stored } of source.batches()) {
    for (const line of lines) {
      if (shipment.isFull) await shipment.room();
      if (shipment.hasFailed) break read;
      if (!wanted.has(shipment.look())) continue;
      const record = shipment.recordOf(line);
      if (record === null) continue; // left out: the next line's end is behind it
      stored?.sent(line.endPosition);
      shipment.send(record, line.bytes.length, () => stored?.acknowledged(line.endPosition));
    }
    options.onProgress(shipment.report());
  }
  await producer.flush();
  await shipment.settled();
}

class Shipment {
  readonly #producer: LineProducer;
  readonly #handling: RecordHandling;
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  readonly #underWay = new UnderWay(underWayMax);
  readonly #figures = { lines: 0, acknowledged: 0, failed: 0, inDoubt: 0, skipped: 0, retried: 0, bytes: 0, lastLine: 0 };
  readonly #failures: LineFailure[] = [];
  /** Numbers of the lines that were sent and are not settled, in ascending order. */
  readonly #open = new Set<number>();
  #whenSettled: (() => void) | null = null;

  constructor(producer: LineProducer, handling: RecordHandling, clock: Clock) {
    this.#producer = producer;
    this.#handling = handling;
    this.#clock = clock;
    this.#startedAtMs = clock.monotonicMs();
  }

  get isFull(): boolean {
    return this.#underWay.isFull;
  }

  get hasFailed(): boolean {
    return this.#failures.length > 0;
  }

  room(): Promise<void> {
    return this.#underWay.room();
  }

  /** The number of the next line. */
  look(): number {
    return ++this.#figures.lastLine;
  }

  report(): ShipReport {
    const failures = this.#failures.toSorted((a, b) => a.line - b.line);
    return {
      ...this.#figures,
      durationMs: this.#clock.monotonicMs() - this.#startedAtMs,
      failure: failures[0] ?? null,
      failedLines: failures.map(({ line }) => line),
      isAbandoned: false,
    };
  }

  get unsettled(): number {
    return this.#open.size;
  }

  /** The report at an end that waits for nothing. */
  abandoned(): ShipReport {
    const report = this.report();
    const failedLines = [...report.failedLines, ...this.#open].sort((a, b) => a - b);
    const { failed, inDoubt } = report;
    return { ...report, failed: failed + this.unsettled, inDoubt: inDoubt + this.unsettled, failedLines, isAbandoned: true };
  }

  /** Null: no record can be made of it, which is told, or ends the run. */
  recordOf({ bytes, longerThan }: SplitLine): RecordToSend | null {
    const figures = this.#figures;
    figures.lines++;
    figures.bytes += bytes.length;
    try {
      if (longerThan !== undefined) throw new BadLine(`is longer than ${longerThan} bytes (--line-bytes-max)`);
      return this.#handling.read(bytes);
    } catch (error) {
      if (!(error instanceof BadLine)) throw error;
      this.#failed(figures.lastLine, error);
      return null;
    }
  }

  send(record: RecordToSend, bytes: number, onAcknowledged: () => void): void {
    const figures = this.#figures;
    const line = figures.lastLine;
    this.#underWay.begin(bytes);
    this.#open.add(line);
    this.#producer
      .send({ topic: this.#handling.topic, ...record }, bytes)
      .then(
        ({ attempts }) => {
          figures.acknowledged++;
          if (attempts > 1) figures.retried++;
          onAcknowledged();
        },
        (error: Error) => {
          this.#failed(line, error);
          // one that is left out holds no position back
          if (this.#isSkipped(error)) onAcknowledged();
        },
      )
      .finally(() => {
        this.#underWay.end(bytes);
        this.#open.delete(line);
        if (this.#isSettled) this.#whenSettled?.();
      });
  }

  #isSkipped(error: Error): boolean {
    return this.#handling.onBadLine !== null && isOfTheLine(error);
  }

  #failed(line: number, error: Error): void {
    const { onBadLine, onFailure } = this.#handling;
    if (onBadLine !== null && isOfTheLine(error)) {
      this.#figures.skipped++;
      onBadLine(line, error);
      return;
    }
    this.#figures.failed++;
    if (isInDoubt(error)) this.#figures.inDoubt++;
    this.#failures.push({ line, error });
    if (this.#failures.length === 1) onFailure();
  }

  get #isSettled(): boolean {
    const { lines, acknowledged, failed, skipped } = this.#figures;
    return acknowledged + failed + skipped === lines;
  }

  /** Resolves when every line sent was acknowledged or failed. */
  settled(): Promise<void> {
    if (this.#isSettled) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenSettled = resolve;
    });
  }
}
