import type { Consumer } from "../../../client/consumer/consumer.ts";
import type { ConsumerOptions, ConsumerRecord } from "../../../client/consumer/consumer-options.ts";
import type { HandlingContext } from "../../../client/consumer/run-options.ts";
import { consumerFor } from "./consumer-fixture.ts";
import { FakeCluster, textRecord } from "./fake-cluster.ts";
import type { FakePartition } from "./fake-partition.ts";

type Record = ConsumerRecord<string, string>;

/** A topic `t` with `records` records in each partition, two to a batch; those of partition p are called `p:0`, `p:1`. */
export function world({ partitions = 1, records = 10, keys = 0 } = {}) {
  const cluster = new FakeCluster();
  const logs = cluster.topic("t", new Array(partitions).fill(1)) as FakePartition[];
  for (const p of logs.keys()) append(logs, p, records, keys);
  return { cluster, logs };
}

/** `keys`: how many different ones; 0: none. */
export function append(logs: readonly FakePartition[], p: number, count: number, keys = 0): void {
  const log = logs[p] as FakePartition;
  const from = log.endOffset;
  for (let i = from; i < from + count; i += 2) {
    const numbers = [i, i + 1].filter((n) => n < from + count);
    log.appendRecords(numbers.map((n) => textRecord(`${p}:${n}`, keys === 0 ? null : `k${n % keys}`, 1_000 + n)));
  }
}

export async function readingAll(cluster: FakeCluster, options: Partial<ConsumerOptions<string, string>> = {}) {
  const consumer = consumerFor(cluster, options);
  await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
  return consumer;
}

/** A handler that a test conducts: what it began and finished, and how many ran at once. */
export class Conducted {
  readonly began: string[] = [];
  readonly finished: string[] = [];
  /** At most this many ran at the same time; of one partition, of one key. */
  most = 0;
  mostOfPartition = 0;
  mostOfKey = 0;
  /** Milliseconds of the fake clock. */
  takesMs: (value: string) => number = () => 10;
  fails: (value: string, attempt: number) => Error | null = () => null;
  readonly signals = new Map<string, AbortSignal>();
  readonly #cluster: FakeCluster;
  readonly #running: Record[] = [];

  constructor(cluster: FakeCluster) {
    this.#cluster = cluster;
  }

  readonly handle = async (record: Record, { attempt, signal }: HandlingContext): Promise<void> => {
    const value = record.value as string;
    this.began.push(value);
    this.signals.set(value, signal);
    this.#running.push(record);
    const same = (isSame: (other: Record) => boolean) => this.#running.filter(isSame).length;
    this.most = Math.max(this.most, this.#running.length);
    this.mostOfPartition = Math.max(
      this.mostOfPartition,
      same(({ partition }) => partition === record.partition),
    );
    this.mostOfKey = Math.max(
      this.mostOfKey,
      same(({ partition, key }) => partition === record.partition && key === record.key),
    );
    const takesMs = this.takesMs(value);
    if (takesMs > 0) await new Promise<void>((resolve) => this.#cluster.clock.schedule(takesMs, resolve));
    this.#running.splice(this.#running.indexOf(record), 1);
    const error = this.fails(value, attempt);
    if (error !== null) throw error;
    this.finished.push(value);
  };

  /** Of those that were handled to the end, those of one partition. */
  of(partition: number): string[] {
    return this.finished.filter((value) => value.startsWith(`${partition}:`));
  }
}

export const named = (partition: number, from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `${partition}:${from + i}`);

export type Reader = Consumer<string, string>;
