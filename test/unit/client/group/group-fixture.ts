import { Consumer } from "../../../../client/consumer/consumer.ts";
import type { ConsumerOptions, ConsumerRecord } from "../../../../client/consumer/consumer-options.ts";
import { stringSerde } from "../../../../client/serialization/serde.ts";
import { type FakeCluster, textRecord } from "../fake-cluster.ts";
import type { FakePartition } from "../fake-partition.ts";

export type Member = Consumer<string, string>;

export function memberOf(cluster: FakeCluster, options: Partial<ConsumerOptions<string, string>> = {}): Member {
  const { runtime, bootstrap } = cluster;
  return new Consumer<string, string>({
    bootstrap,
    runtime,
    group: "g",
    offsetReset: "earliest",
    keySerde: stringSerde,
    valueSerde: stringSerde,
    ...options,
  });
}

/** `from`.. as values, a record per batch of two. */
export function fill(partition: FakePartition | undefined, from: number, to: number): void {
  for (let i = from; i < to; i += 2)
    partition?.appendRecords(Array.from({ length: Math.min(2, to - i) }, (_, n) => textRecord(`v${i + n}`, null, 1_000 + i + n)));
}

/** A member at work: handles each record for `handleMs`, and notes what it got. */
export class Worker {
  readonly records: ConsumerRecord<string, string>[] = [];
  readonly consumer: Member;
  readonly events: string[] = [];
  readonly done: Promise<void>;
  /** Milliseconds of the fake clock, for each record. */
  handleMs = 0;

  constructor(cluster: FakeCluster, topics: readonly (string | RegExp)[], options: Partial<ConsumerOptions<string, string>> = {}) {
    const note = (what: string) => (partitions: readonly { topic: string; partition: number }[]) => {
      this.events.push(
        `${what} ${partitions
          .map(({ topic, partition }) => `${topic}-${partition}`)
          .toSorted()
          .join(" ")}`,
      );
    };
    const consumer = memberOf(cluster, { onAssigned: note("+"), onRevoked: note("-"), onLost: note("!"), ...options });
    this.consumer = consumer;
    this.done = (async () => {
      await consumer.subscribe(topics);
      for await (const record of consumer) {
        this.records.push(record);
        if (this.handleMs > 0) await new Promise<void>((resolve) => cluster.clock.schedule(this.handleMs, resolve));
      }
    })();
    this.done.catch(() => undefined);
  }

  get places(): string[] {
    return this.records.map(({ topic, partition, offset }) => `${topic}-${partition}@${offset}`);
  }

  get owned(): string[] {
    return this.consumer
      .assignment()
      .map(({ topic, partition }) => `${topic}-${partition}`)
      .toSorted();
  }
}
