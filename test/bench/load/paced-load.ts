import { setTimeout as sleep } from "node:timers/promises";
import { sampleValues } from "../../../cli/bench/sample-values.ts";
import { Consumer, Producer } from "../../../client/index.ts";
import { Latencies } from "./latencies.ts";
import type { PacedOrder, PacedReport } from "./own-orders.ts";

/** More are not handed to the producer; they stay due, and their latency grows. */
const underWayMax = 100_000;
/** A value begins with the time at which it was due. */
const dueBytes = 8;
const lastReadsMaxMs = 10_000;

/**
 * Sends records at a constant rate. A record's latency begins when it was due, not when there was time to send it: a cluster that stands
 * still for a second is seen by all the records that were due in it (no coordinated omission). Timers wake us once in a millisecond, which
 * the latencies contain.
 */
export class PacedLoad {
  readonly #order: PacedOrder;
  readonly #said: (event: "measuring" | "measured") => void;
  readonly #produced = new Latencies();
  readonly #read = new Latencies();
  readonly #values: readonly Buffer[];
  #startedMs = 0;
  #measuredFromMs = Number.POSITIVE_INFINITY;
  #measuredToMs = Number.POSITIVE_INFINITY;
  #sent = 0;
  #underWay = 0;
  #acknowledged = 0;
  #failed = 0;
  #repeated = 0;
  #reads = 0;
  #lastAcknowledgedMs = 0;
  #longestSilenceMs = 0;

  constructor(order: PacedOrder, said: (event: "measuring" | "measured") => void) {
    this.#order = order;
    this.#said = said;
    this.#values = sampleValues(Math.max(order.recordBytes, dueBytes));
  }

  async run(): Promise<PacedReport> {
    const { bootstrap, topic, acks, codec, lingerMs, measuredSeconds } = this.#order;
    await using producer = new Producer({ bootstrap, acks, compression: codec, lingerMs });
    await using consumer = new Consumer({ bootstrap });
    await producer.partitionsOf(topic);
    const reading = this.#order.consumes ? this.#consume(consumer) : Promise.resolve();
    await this.#sendAll(producer);
    const behind = Math.max(0, this.#dueBy(performance.now()) - this.#sent);
    await producer.flush();
    if (this.#order.consumes) await this.#lastReads();
    await consumer.close();
    await reading;
    return {
      recordsPerSecond: this.#acknowledged / measuredSeconds,
      acknowledged: this.#acknowledged,
      failed: this.#failed,
      repeated: this.#repeated,
      behind,
      produce: this.#produced.report(),
      endToEnd: this.#order.consumes ? this.#read.report() : null,
      longestSilenceMs: this.#longestSilenceMs,
    };
  }

  /** How many records are due by then, of all. */
  #dueBy(nowMs: number): number {
    return Math.floor(((Math.min(nowMs, this.#measuredToMs) - this.#startedMs) / 1000) * this.#order.rate);
  }

  async #sendAll(producer: Producer): Promise<void> {
    const { discardedSeconds, measuredSeconds } = this.#order;
    this.#startedMs = performance.now();
    this.#measuredFromMs = this.#startedMs + discardedSeconds * 1000;
    this.#measuredToMs = this.#measuredFromMs + measuredSeconds * 1000;
    this.#lastAcknowledgedMs = this.#measuredFromMs;
    let isMeasuring = false;
    for (let nowMs = this.#startedMs; nowMs < this.#measuredToMs; nowMs = performance.now()) {
      if (!isMeasuring && nowMs >= this.#measuredFromMs) {
        isMeasuring = true;
        this.#said("measuring");
      }
      this.#sendDue(producer, nowMs);
      await sleep(1);
    }
    this.#sendDue(producer, this.#measuredToMs);
    this.#said("measured");
  }

  #sendDue(producer: Producer, nowMs: number): void {
    const due = this.#dueBy(nowMs);
    while (this.#sent < due && this.#underWay < underWayMax) this.#send(producer);
  }

  #send(producer: Producer): void {
    const { topic, rate, consumes } = this.#order;
    const dueMs = this.#startedMs + (this.#sent * 1000) / rate;
    const sample = this.#values[this.#sent++ % this.#values.length] as Buffer;
    const value = consumes ? Buffer.from(sample) : sample;
    if (consumes) value.writeDoubleBE(dueMs);
    this.#underWay++;
    producer.send({ topic, value }).then(
      ({ attempts }) => this.#acknowledge(dueMs, attempts),
      () => {
        this.#underWay--;
        this.#failed++;
      },
    );
  }

  #acknowledge(dueMs: number, attempts: number): void {
    this.#underWay--;
    if (attempts > 1) this.#repeated++;
    if (!this.#isMeasured(dueMs)) return;
    const nowMs = performance.now();
    this.#acknowledged++;
    this.#produced.add(nowMs - dueMs);
    this.#longestSilenceMs = Math.max(this.#longestSilenceMs, nowMs - this.#lastAcknowledgedMs);
    this.#lastAcknowledgedMs = nowMs;
  }

  #isMeasured(dueMs: number): boolean {
    return dueMs >= this.#measuredFromMs && dueMs < this.#measuredToMs;
  }

  async #consume(consumer: Consumer): Promise<void> {
    await consumer.assign([{ topic: this.#order.topic, from: "beginning" }]);
    for await (const { records } of consumer.batches()) {
      const nowMs = performance.now();
      for (const { value } of records) {
        const dueMs = value?.readDoubleBE() ?? 0;
        if (!this.#isMeasured(dueMs)) continue;
        this.#reads++;
        this.#read.add(nowMs - dueMs);
      }
    }
  }

  /** What was acknowledged is read soon; what was sent without acknowledgement may be lost. */
  async #lastReads(): Promise<void> {
    const deadlineMs = performance.now() + lastReadsMaxMs;
    while (this.#reads < this.#acknowledged && performance.now() < deadlineMs) await sleep(10);
  }
}
