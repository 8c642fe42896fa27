import { Consumer } from "../../../client/consumer/consumer.ts";
import type { ConsumerOptions, ConsumerRecord } from "../../../client/consumer/consumer-options.ts";
import { stringSerde } from "../../../client/serialization/serde.ts";
import { type FakeCluster, textRecord } from "./fake-cluster.ts";
import type { FakePartition } from "./fake-partition.ts";

export function consumerFor(cluster: FakeCluster, options: Partial<ConsumerOptions<string, string>> = {}): Consumer<string, string> {
  const { runtime, bootstrap } = cluster;
  return new Consumer<string, string>({ bootstrap, runtime, keySerde: stringSerde, valueSerde: stringSerde, ...options });
}

export function fill(partition: FakePartition | undefined, from: number, to: number, perBatch = 2): void {
  for (let i = from; i < to; i += perBatch) {
    partition?.appendRecords(Array.from({ length: Math.min(perBatch, to - i) }, (_, n) => textRecord(`v${i + n}`, null, 1_000 + i + n)));
  }
}

export const values = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `v${from + i}`);

export async function take(
  cluster: FakeCluster,
  consumer: Consumer<string, string>,
  count: number,
): Promise<ConsumerRecord<string, string>[]> {
  const taken: ConsumerRecord<string, string>[] = [];
  const work = (async () => {
    for await (const record of consumer) {
      taken.push(record);
      if (taken.length === count) break;
    }
  })();
  await cluster.clock.until(work);
  return taken;
}

export const valuesOf = (records: readonly ConsumerRecord<string, string>[]) => records.map(({ value }) => value);
