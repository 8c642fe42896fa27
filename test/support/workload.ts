import { setTimeout as sleep } from "node:timers/promises";
import { Consumer, Producer, stringSerde } from "../../client/index.ts";

export interface WorkloadOptions {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly partitions: number;
  /** Records in flight at a time, per partition. Default 20. */
  readonly inFlight?: number;
}

interface Acknowledged {
  readonly sequence: number;
  readonly offset: number;
  readonly attempts: number;
  readonly atMs: number;
}

export interface WorkloadReport {
  readonly acknowledged: number;
  /** Of those, the ones that had to be sent more than once. */
  readonly sentAgain: number;
}

/**
 * A producer that never stops, with the defaults: numbered records into every partition, and the outcome of each. `verify` then reads
 * everything back and compares: each acknowledged record is where it was acknowledged, in the order of sending, and nothing is there twice.
 */
export class Workload {
  readonly #options: WorkloadOptions;
  readonly #producer: Producer<string, string>;
  readonly #acknowledged: Acknowledged[][];
  readonly #failed: Error[] = [];
  readonly #loops: Promise<void>[] = [];
  #stopping = false;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#producer = new Producer({
      bootstrap: options.bootstrap,
      keySerde: stringSerde,
      valueSerde: stringSerde,
      retryBackoffMs: 20,
      requestTimeoutMs: 5000,
    });
    this.#acknowledged = Array.from({ length: options.partitions }, () => []);
  }

  start(): this {
    for (let partition = 0; partition < this.#options.partitions; partition++) this.#loops.push(this.#send(partition));
    return this;
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.reduce((sum, list) => sum + list.length, 0);
  }

  /** Of one partition, after a moment (of `performance.now`), or null when there was none yet. */
  firstAcknowledgedAfter(partition: number, momentMs: number): number | null {
    return this.#acknowledged[partition]?.find(({ atMs }) => atMs > momentMs)?.atMs ?? null;
  }

  /** Stops sending; what is in flight is waited for. Throws when a send failed for good. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#loops);
    await this.#producer.close();
    if (this.#failed.length > 0) throw new Error(`${this.#failed.length} sends failed for good`, { cause: this.#failed[0] });
  }

  async #send(partition: number): Promise<void> {
    const { topic, inFlight = 20 } = this.#options;
    const under = new Set<Promise<void>>();
    for (let sequence = 0; !this.#stopping; sequence++) {
      const sent = this.#producer.send({ topic, partition, key: `p${partition}`, value: `${partition}:${sequence}` }).then(
        ({ offset, attempts }) => {
          this.#acknowledged[partition]?.push({ sequence, offset: offset ?? -1, attempts, atMs: performance.now() });
        },
        (error: Error) => {
          this.#failed.push(error);
        },
      );
      const tracked = sent.finally(() => under.delete(tracked));
      under.add(tracked);
      if (under.size >= inFlight) await Promise.race(under);
      if (sequence % 200 === 199) await sleep(5); // a steady load, not a benchmark
    }
    await Promise.all(under);
  }

  async verify(): Promise<WorkloadReport> {
    const { topic, bootstrap } = this.#options;
    const found = this.#acknowledged.map(() => [] as { offset: number; sequence: number }[]);
    await using consumer = new Consumer({ bootstrap, valueSerde: stringSerde, stopAtEnd: true });
    await consumer.assign([{ topic, from: "beginning" }]);
    for await (const { partition, offset, value } of consumer) {
      const [of, sequence] = (value ?? "").split(":").map(Number);
      if (of !== partition || sequence === undefined) throw new Error(`a strange record in partition ${partition} at ${offset}: ${value}`);
      found[partition]?.push({ offset, sequence });
    }
    for (const [partition, acknowledged] of this.#acknowledged.entries()) checkPartition(partition, acknowledged, found[partition] ?? []);
    return { acknowledged: this.acknowledgedCount, sentAgain: this.#acknowledged.flat().filter(({ attempts }) => attempts > 1).length };
  }
}

function checkPartition(
  partition: number,
  acknowledged: readonly Acknowledged[],
  found: readonly { offset: number; sequence: number }[],
): void {
  const fail = (what: string): never => {
    throw new Error(`partition ${partition}: ${what}`);
  };
  const byOffset = new Map(found.map((record) => [record.offset, record.sequence]));
  for (const { sequence, offset } of acknowledged) {
    const there = byOffset.get(offset);
    if (there !== sequence)
      fail(`record ${sequence} was acknowledged at offset ${offset}, where ${there === undefined ? "nothing is" : `record ${there} is`}`);
  }
  let last = -1;
  for (const [index, { offset, sequence }] of found.entries()) {
    if (index > 0 && offset !== (found[index - 1]?.offset ?? 0) + 1) fail(`offset ${offset} follows ${found[index - 1]?.offset}`);
    if (sequence <= last) fail(`record ${sequence} at offset ${offset} comes after record ${last}: it is there twice, or out of order`);
    last = sequence;
  }
}
