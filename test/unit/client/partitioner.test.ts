import { expect, test } from "vitest";
import type { TopicMetadata } from "../../../client/metadata/cluster-snapshot.ts";
import { murmur2, partitionOfKey } from "../../../client/producer/murmur2.ts";
import { DefaultPartitioner } from "../../../client/producer/partitioner.ts";
import { seededRandom } from "../../../protocol/base/random.ts";

// values from the tests of Kafka's Java client
test.each([
  ["21", -973932308],
  ["foobar", -790332482],
  ["a-little-bit-long-string", -985981536],
  ["a-little-bit-longer-string", -1486304829],
  ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
  ["abc", 479470107],
])("murmur2 of %j is what Java computes", (text, hash) => {
  expect(murmur2(Buffer.from(text))).toBe(hash);
});

test("a key's partition is the hash without its sign, modulo the number of partitions", () => {
  expect(partitionOfKey(Buffer.from("21"), 1000)).toBe((-973932308 & 0x7fffffff) % 1000);
  expect(partitionOfKey(Buffer.alloc(0), 7)).toBe((murmur2(Buffer.alloc(0)) & 0x7fffffff) % 7);
});

function topicOf(leaders: readonly number[]): TopicMetadata {
  const partitions = leaders.map((leader, partition) => ({
    partition,
    leader,
    leaderEpoch: 0,
    replicas: [],
    isr: [],
    offlineReplicas: [],
  }));
  return { name: "t", topicId: "", isInternal: false, partitions };
}

test("records without a key stay with a partition for a batch's worth of bytes, then move to another", () => {
  const partitioner = new DefaultPartitioner(seededRandom(1), 1000);
  const topic = topicOf([1, 2, 3, 1]);
  const chosen = Array.from({ length: 400 }, () => partitioner.partition(topic, null, 100));
  const runs = chosen.filter((partition, i) => i === 0 || partition !== chosen[i - 1]).length;
  expect(runs).toBe(40);
  expect(new Set(chosen).size).toBe(4);
});

test("records without a key avoid partitions without a leader, those with one do not", () => {
  const partitioner = new DefaultPartitioner(seededRandom(1), 1);
  const topic = topicOf([-1, 2, -1, 1]);
  const chosen = new Set(Array.from({ length: 50 }, () => partitioner.partition(topic, null, 100)));
  expect(chosen).toEqual(new Set([1, 3]));
  expect(partitioner.partition(topic, Buffer.from("foobar"), 100)).toBe(partitionOfKey(Buffer.from("foobar"), 4));
});
