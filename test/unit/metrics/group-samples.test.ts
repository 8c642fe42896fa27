import { expect, test } from "vitest";
import { emptyImage } from "../../../broker/cluster/cluster-image.ts";
import type { CommittedOffset, OffsetBook } from "../../../broker/group/offset-book.ts";
import { collectGroups, type GroupSources } from "../../../broker/metrics/group-samples.ts";
import { Pace } from "../../../broker/metrics/pace.ts";
import { Samples } from "../../../broker/metrics/samples.ts";
import { askCommittedEnds, committedEndsHandler } from "../../../broker/peer-api/committed-ends.ts";
import { type PeerRequester, PeerUnavailable } from "../../../broker/runtime/peer-port.ts";
import { partitionKey, type TopicPartition } from "../../../protocol/base/ids.ts";
import { nodeClock } from "../../../protocol/node/node-clock.ts";
import { partition, topicId, topicOf } from "../cluster/topics.ts";

type Offsets = Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;

/** Committed offsets by group and topic, one for each partition. */
function machineWith(offsets: Offsets, states: readonly string[]) {
  const of = (groupId: string) =>
    new Map(
      Object.entries(offsets[groupId] ?? {}).map(([topic, committed]) => [
        topic,
        new Map(committed.map((offset, number) => [number, { offset } as CommittedOffset])),
      ]),
    );
  const book = {
    groupIds: () => Object.keys(offsets),
    of,
    find: (groupId: string, topic: string, number: number) => of(groupId).get(topic)?.get(number),
  };
  return { groups: { values: () => states.map((stateName) => ({ stateName })) }, offsets: book as unknown as OffsetBook };
}

async function collected(change: Partial<GroupSources>, offsets: Offsets): Promise<Samples> {
  const samples = new Samples();
  const machines = () => [machineWith(offsets, ["Stable", "Stable", "Empty"])] as never;
  const sources: GroupSources = {
    groups: { machines, servingCount: 1, waiting: 4 },
    exists: () => true,
    localEnd: () => 100,
    remoteEnds: async () => new Map(),
    tellsPartitions: () => false,
    ...change,
  };
  await collectGroups(sources, samples, new Pace(nodeClock));
  return samples;
}

const told = (samples: Samples, family: Parameters<Samples["of"]>[0]) =>
  samples.of(family).map(({ labels, value }) => [...Object.values(labels), value]);

test("a group's lag is told by topic; by partition only where that is wanted", async () => {
  const offsets = { billing: { orders: [90, 100, 130], users: [1] }, audit: { orders: [0] } };
  const samples = await collected({}, offsets);
  expect(told(samples, "ottla_group_topic_lag_records")).toEqual([
    ["billing", "orders", 10],
    ["billing", "users", 99],
    ["audit", "orders", 100],
  ]);
  expect(told(samples, "ottla_group_partition_lag_records")).toEqual([]);
  expect(told(samples, "ottla_groups")).toEqual([
    ["Stable", 2],
    ["Empty", 1],
  ]);
  const byPartition = await collected({ tellsPartitions: () => true }, { audit: { orders: [0, 40] } });
  expect(told(byPartition, "ottla_group_partition_lag_records")).toEqual([
    ["audit", "orders", "0", 100],
    ["audit", "orders", "1", 60],
  ]);
});

test("where no replica is here the leader is asked, once for a partition, and what it does not tell counts as unknown", async () => {
  const asked: string[] = [];
  const samples = await collected(
    {
      localEnd: ({ partition: number }) => (number === 0 ? 50 : null),
      remoteEnds: async (partitions) => {
        asked.push(...partitions.map(({ topic, partition: number }) => partitionKey(topic, number)));
        return new Map([["t-1", 70]]);
      },
    },
    { a: { t: [10, 10, 10] }, b: { t: [50, 60] } },
  );
  expect(asked).toEqual(["t-1", "t-2"]);
  expect(told(samples, "ottla_group_topic_lag_records")).toEqual([
    ["a", "t", 100],
    ["b", "t", 10],
  ]);
  expect(told(samples, "ottla_group_topic_lag_unknown_partitions")).toEqual([
    ["a", "t", 1],
    ["b", "t", 0],
  ]);
});

test("offsets in a topic that is gone are no lag", async () => {
  const samples = await collected({ exists: ({ topic }) => topic !== "gone" }, { a: { gone: [1], t: [99] } });
  expect(told(samples, "ottla_group_topic_lag_records")).toEqual([["a", "t", 1]]);
});

test("however many groups clients make up, so many series there are, and the rest is counted", async () => {
  const many = Object.fromEntries(Array.from({ length: 20_100 }, (_, i) => [`g${i}`, { t: [0] }]));
  const samples = await collected({}, many);
  expect(samples.of("ottla_group_topic_lag_records")).toHaveLength(20_000);
  expect(samples.dropped).toBeGreaterThan(0);
});

test("leaders are asked side by side for where their partitions end; one that does not answer is left out", async () => {
  const broker = (id: number) => ({ id, epoch: id, rack: null, endpoints: [], peer: { host: `h${id}`, port: 1 } });
  const partitions = [2, 3, 4].map((leader, number) => partition(number, { leader }));
  const image = {
    ...emptyImage("c"),
    topics: new Map([["t", { ...topicOf("t", 1, 0), partitions }]]),
    brokers: new Map([2, 3].map((id) => [id, broker(id)])),
  };
  const leads = committedEndsHandler((id, number) =>
    id === topicId(1) && number === 0 ? { state: { highWatermark: 12 } } : "NOT_LEADER_OR_FOLLOWER",
  );
  const peers = {
    request: async (to: { readonly host: string }, _kind: string, body: never) => {
      if (to.host === "h3") throw new PeerUnavailable("no answer");
      return { ...(await leads(body, Buffer.alloc(0), "")), payload: Buffer.alloc(0) };
    },
  } as unknown as PeerRequester;
  const refs: TopicPartition[] = [0, 1, 2, 3].map((number) => ({ topic: "t", partition: number }));
  expect(await askCommittedEnds({ brokerId: 1, image: () => image, peers }, refs)).toEqual(new Map([["t-0", 12]]));
});
