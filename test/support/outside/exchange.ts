import { expect } from "vitest";
import { Admin, orThrow, partitionOfKey } from "../../../client/index.ts";
import { type CompressionCodec, compressionCodecs } from "../../../protocol/records/batch-header.ts";
import type { TestCluster } from "../cluster.ts";
import { describeRecord, type OutsideClient, type PlacedRecord, type PlainRecord, sampleRecords } from "./outside-client.ts";
import { storedBatches } from "./stored-batches.ts";

export interface Exchanged {
  readonly topic: string;
  readonly partitions: number;
  readonly writer: OutsideClient;
  readonly records: readonly PlainRecord[];
}

/**
 * The writer fills a topic of its own, one set of records per codec that it has, and the batches are checked to be stored with the codec
 * that they were sent with.
 */
export async function writeTopic(cluster: TestCluster, writer: OutsideClient, partitions = 4): Promise<Exchanged> {
  const topic = `written-by-${writer.name}`;
  await using admin = new Admin({ bootstrap: cluster.bootstrap });
  // records older than what is kept by default
  orThrow(await admin.createTopics([{ name: topic, partitions, replicationFactor: 3, configs: { "retention.ms": "-1" } }]));
  const records: PlainRecord[] = [];
  const timestamps = writer.cannotSend?.timestamps === true ? {} : { from: 1_700_000_000_000 };
  for (const codec of writer.codecs) {
    const lot = sampleRecords(`${writer.name}-${codec}`, 150, writer, timestamps.from);
    await writer.produce({ topic, codec, records: lot });
    records.push(...lot);
  }
  await expectStoredCodecs(cluster, admin, topic, writer.codecs);
  await cluster.replicasIdentical(topic);
  return { topic, partitions, writer, records };
}

async function expectStoredCodecs(cluster: TestCluster, admin: Admin, topic: string, codecs: readonly CompressionCodec[]): Promise<void> {
  const [description] = orThrow(await admin.describeTopics([topic]));
  const stored = new Set<CompressionCodec | null>();
  for (const { partition, leader } of description?.partitions ?? [])
    for (const { codec } of await storedBatches(cluster, leader, topic, partition)) stored.add(codec);
  const inOrder = (of: Iterable<CompressionCodec | null>) => compressionCodecs.filter((codec) => [...of].includes(codec));
  expect(inOrder(stored)).toEqual(inOrder(codecs));
}

/** Everything is there as it was sent, in the order of each partition, and where Java's default partitioner puts its key. */
export function expectExchanged(found: readonly PlacedRecord[], { partitions, writer, records }: Exchanged): void {
  const withTimestamp = writer.cannotSend?.timestamps !== true;
  for (let partition = 0; partition < partitions; partition++) {
    const there = found.filter((record) => record.partition === partition).toSorted((a, b) => a.offset - b.offset);
    const due = records.filter(({ key }) => key !== null && partitionOfKey(key, partitions) === partition);
    expect(there.map((record) => describeRecord(record, withTimestamp))).toEqual(
      due.map((record) => describeRecord(record, withTimestamp)),
    );
    expect(there.map(({ offset }) => offset)).toEqual(due.map((_, offset) => offset));
  }
}
