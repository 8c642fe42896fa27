import type { ClientRuntime } from "../../client/base/client-runtime.ts";
import { Admin, Consumer, KafkaProtocolError, LogTruncated, OffsetOutOfRange, orThrow, Producer } from "../../client/index.ts";
import { type Random, randomInt, seededRandom } from "../../protocol/base/random.ts";
import { seedFrom } from "./sim-broker.ts";
import type { SimClock } from "./sim-clock.ts";
import type { SimNetwork } from "./sim-network.ts";
import type { Trace } from "./trace.ts";

export interface WorkloadParts {
  readonly clock: SimClock;
  readonly network: SimNetwork;
  readonly trace: Trace;
  readonly random: Random;
  readonly topic: string;
  readonly partitions: number;
  readonly bootstrap: string;
  /** `earliest` where records may be deleted before they are read. */
  readonly offsetReset: "none" | "earliest";
  readonly onAcknowledged: (record: PlacedRecord) => void;
  readonly onConsumed: (record: PlacedRecord) => void;
  readonly onViolation: (claim: string) => void;
}

export interface PlacedRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  /** What distinguishes it from all others. A tombstone has it in a header. */
  readonly value: string;
}

/** For a compacted topic: a record with this value deletes its key. */
const tombstone = ":gone";
const keysCount = 12;

export function isTombstone(value: string): boolean {
  return value.endsWith(tombstone);
}

export interface Send {
  readonly key: string | null;
  readonly value: string;
  readonly partition: number;
  state: "under way" | "acknowledged" | "failed";
  offset: number;
}

const deliveryTimeoutMs = 12_000;

/**
 * The clients of a simulation, shipped code as well: an idempotent producer, perhaps another one with acks=1, and a consumer from the
 * beginning.
 */
export class Workload {
  readonly #parts: WorkloadParts;
  /** Of the idempotent producer, in the order of sending. */
  readonly sends: Send[] = [];
  readonly #safe: Producer;
  readonly #hasty: Producer;
  readonly #consumer: Consumer<Buffer, Buffer>;
  #isSending = false;
  #bursts = 0;
  readonly #spared = new Set<number>();
  #hastyUnderWay = 0;
  /** Records have keys, of which there are few, and some delete theirs. */
  #isKeyed = false;

  constructor(parts: WorkloadParts) {
    this.#parts = parts;
    const { random } = parts;
    const lingerMs = randomInt(random, 3) * 10;
    const base = { requestTimeoutMs: 3000, connectTimeoutMs: 1000, retryBackoffMs: 50, retryBackoffMaxMs: 500, bootstrap: parts.bootstrap };
    const producing = { ...base, deliveryTimeoutMs, maxBlockMs: deliveryTimeoutMs, lingerMs, allowAutoTopicCreation: false };
    // one record or a few in a batch: after a fault, five batches of a partition are soon in flight
    const batchBytesMax = 150 + randomInt(random, 2) * 600;
    this.#safe = new Producer({ ...producing, batchBytesMax, runtime: this.#runtime("producer") });
    this.#hasty = new Producer({ ...producing, acks: 1, runtime: this.#runtime("hasty") });
    this.#consumer = new Consumer({ ...base, offsetReset: parts.offsetReset, fetchWaitMaxMs: 300, runtime: this.#runtime("consumer") });
  }

  async createTopic(configs: Readonly<Record<string, string>>): Promise<void> {
    this.#isKeyed = configs["cleanup.policy"]?.includes("compact") ?? false;
    const { topic, partitions, bootstrap } = this.#parts;
    // the brokers may only be starting
    await using admin = new Admin({ bootstrap, reachTimeoutMs: 60_000, runtime: this.#runtime("admin") });
    orThrow(await admin.createTopics([{ name: topic, partitions, replicationFactor: 3, configs }]));
  }

  /** Deletes the records below; the outcome does not matter here. */
  async deleteRecords(partition: number, beforeOffset: number): Promise<void> {
    const { topic, bootstrap, trace } = this.#parts;
    await using admin = new Admin({ bootstrap, operationTimeoutMs: 4000, requestTimeoutMs: 2000, runtime: this.#runtime("admin") });
    const what = `${topic}-${partition} before ${beforeOffset}`;
    try {
      orThrow(await admin.deleteRecords([{ topic, partition, before: beforeOffset }]));
      trace.line(`deleted ${what}`);
    } catch (error) {
      trace.line(`not deleted ${what}: ${(error as Error).message}`);
    }
  }

  /** Makes a broker move its replica of a partition to another of its directories; the outcome does not matter here. */
  async moveReplica(broker: number, partition: number, directory: string): Promise<void> {
    const { topic, bootstrap, trace } = this.#parts;
    await using admin = new Admin({ bootstrap, operationTimeoutMs: 2000, requestTimeoutMs: 1000, runtime: this.#runtime("admin") });
    const what = `${topic}-${partition} of b${broker} to ${directory}`;
    try {
      orThrow(await admin.alterReplicaLogDirs([{ broker, topic, partition, directory }]));
      trace.line(`moving ${what}`);
    } catch (error) {
      trace.line(`not moving ${what}: ${(error as Error).message}`, true);
    }
  }

  /** Requests an election of the preferred leader; the outcome does not matter here. */
  /** `controller`: asked directly, because a broker that forwards to it may be cut off from it. */
  async electPreferred(partition: number, controller: string): Promise<void> {
    const { topic, trace } = this.#parts;
    const bootstrap = `${controller}:9092`;
    await using admin = new Admin({ bootstrap, operationTimeoutMs: 1000, requestTimeoutMs: 500, runtime: this.#runtime("admin") });
    const what = `the preferred leader of ${topic}-${partition}`;
    try {
      orThrow(await admin.electLeaders("preferred", [{ topic, partition }]));
      trace.line(`elected ${what}`);
    } catch (error) {
      trace.line(`not elected ${what}: ${(error as Error).message}`, true);
    }
  }

  burst(partition: number, count: number): void {
    for (let number = 1; number <= count; number++) void this.send(`b${++this.#bursts}:`, partition);
  }

  /** Only bursts are sent to this partition, until further notice. */
  spare(partition: number, isSpared: boolean): void {
    if (isSpared) this.#spared.add(partition);
    else this.#spared.delete(partition);
  }

  /** Sends at intervals of up to `everyMs` milliseconds, until `stopSending`. `hastyShare` of the records are sent with acks=1. */
  startSending(everyMs: number, hastyShare: number): void {
    const { clock, random, partitions } = this.#parts;
    this.#isSending = true;
    let number = 0;
    const next = () => {
      if (!this.#isSending) return;
      const text = this.#isKeyed && random.next() < 0.15 ? tombstone : `:${"x".repeat(randomInt(random, 120))}`;
      const value = `${++number}${text}`;
      const partition = randomInt(random, partitions);
      if (this.#spared.has(partition)) {
        clock.schedule("producer", random.next() * everyMs, next);
        return;
      }
      if (random.next() < hastyShare) this.#sendHastily(`h${value}`, partition);
      else void this.send(`s${value}`, partition);
      clock.schedule("producer", random.next() * everyMs, next);
    };
    next();
  }

  stopSending(): void {
    this.#isSending = false;
  }

  get isSettled(): boolean {
    return this.#hastyUnderWay === 0 && this.sends.every(({ state }) => state !== "under way");
  }

  async send(value: string, partition: number): Promise<Send> {
    const { trace, onAcknowledged } = this.#parts;
    const record = this.#record(value, partition);
    const { key } = record;
    const send: Send = { key, value, partition, state: "under way", offset: -1 };
    this.sends.push(send);
    try {
      const { offset } = await this.#safe.send(record);
      send.state = "acknowledged";
      send.offset = offset;
      trace.line(`acknowledged ${partition}@${offset} ${value.slice(0, 12)}`, true);
      onAcknowledged({ partition, offset, key, value });
    } catch (error) {
      send.state = "failed";
      trace.line(`not sent ${partition} ${value.slice(0, 12)}: ${(error as Error).message}`, true);
    }
    return send;
  }

  async startConsuming(): Promise<void> {
    await this.#consumer.assign([{ topic: this.#parts.topic, from: "beginning" }]);
    void this.#consume();
  }

  async #consume(): Promise<void> {
    const { trace, onConsumed, onViolation } = this.#parts;
    for (;;) {
      try {
        for await (const { partition, offset, key, value, headers } of this.#consumer) {
          const text = value?.toString() ?? String(headers[0]?.value ?? "");
          trace.line(`consumed ${partition}@${offset} ${text.slice(0, 12)}`, true);
          onConsumed({ partition, offset, key: key?.toString() ?? null, value: text });
        }
        return;
      } catch (error) {
        const { name, message } = error as Error;
        trace.line(`consumer: ${name}: ${message}`);
        const isExpected = error instanceof KafkaProtocolError && !(error instanceof LogTruncated) && !(error instanceof OffsetOutOfRange);
        if (!isExpected) return onViolation(`I6 the consumer fails: ${name}: ${message}`);
      }
    }
  }

  #sendHastily(value: string, partition: number): void {
    this.#hastyUnderWay++;
    const settled = () => {
      this.#hastyUnderWay--;
    };
    this.#hasty.send(this.#record(value, partition)).then(settled, settled);
  }

  #record(value: string, partition: number) {
    const { topic, random } = this.#parts;
    const key = this.#isKeyed ? `k${randomInt(random, keysCount)}` : null;
    return isTombstone(value) ? { topic, partition, key, value: null, headers: { id: value } } : { topic, partition, key, value };
  }

  runtimeFor(owner: string): ClientRuntime {
    return this.#runtime(owner);
  }

  #runtime(owner: string): ClientRuntime {
    const { clock, network, trace, random } = this.#parts;
    return {
      clock: clock.forOwner(owner),
      transport: network.transportFor(owner),
      random: seededRandom(seedFrom(random)),
      log: trace.logger(owner),
    };
  }
}
