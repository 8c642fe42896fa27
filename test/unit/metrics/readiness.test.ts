import { expect, test } from "vitest";
import { type ClusterImage, emptyImage } from "../../../broker/cluster/cluster-image.ts";
import { Pace } from "../../../broker/metrics/pace.ts";
import { findMissing, type ReadinessSources } from "../../../broker/metrics/readiness.ts";
import { nodeClock } from "../../../protocol/node/node-clock.ts";
import type { PartitionRecord } from "../../../protocol/peer/messages.ts";
import { topicOf } from "../cluster/topics.ts";

const self = { id: 1, epoch: 11, rack: null, endpoints: [], peer: { host: "h", port: 1 } };

function image(change: Partial<PartitionRecord>, more: Partial<ClusterImage> = {}): ClusterImage {
  const topic = topicOf("t", 1, 2);
  const partitions = topic.partitions.map((record) => ({ ...record, ...change }));
  return { ...emptyImage("c"), brokers: new Map([[1, self]]), topics: new Map([["t", { ...topic, partitions }]]), ...more };
}

const missing = (sources: Partial<ReadinessSources>) =>
  findMissing(
    { brokerId: 1, image: () => image({}), brokerEpoch: () => 11, isStopping: () => false, leads: () => true, ...sources },
    new Pace(nodeClock),
  );
const words = async (sources: Partial<ReadinessSources>) => (await missing(sources)).map(({ what }) => what);

test("a broker that is registered, leads and is in sync lacks nothing", async () => {
  expect(await missing({})).toEqual([]);
});

test("it says what is missing, in the order in which it comes", async () => {
  expect(await words({ isStopping: () => true })).toEqual(["stopping"]);
  expect(await words({ image: () => image({}, { leavingBrokers: new Set([1]) }) })).toEqual(["stopping"]);
  expect(await words({ brokerEpoch: () => -1 })).toEqual(["registration"]);
  expect(await words({ brokerEpoch: () => 12 }), "the metadata is of an earlier life").toEqual(["metadata"]);
  expect(await words({ image: () => image({}, { brokers: new Map() }) })).toEqual(["metadata"]);
  expect(await words({ leads: (_, { partition }) => partition !== 0 })).toEqual(["leadership"]);
  expect(await words({ image: () => image({ leader: 2, isr: [2] }) })).toEqual(["in-sync"]);
  expect(await words({ image: () => image({}, { offlineReplicas: new Map([[1, new Map([["id-0", "why"]])]]) }) })).toEqual(["replicas"]);
});

test("what others lead or lack is not its business", async () => {
  expect(await words({ image: () => image({ leader: 2, isr: [1] }), leads: () => false })).toEqual([]);
  expect(await words({ image: () => image({ replicas: [2, 3], leader: -1, isr: [2] }) })).toEqual([]);
});

test("what a reassignment brings it, or takes away, need not be in sync", async () => {
  const moving = (reassignment: PartitionRecord["reassignment"]) =>
    words({ image: () => image({ leader: 2, isr: [2], replicas: [2, 1, 3], ...(reassignment === undefined ? {} : { reassignment }) }) });
  expect(await moving({ adding: [1], removing: [3] })).toEqual([]);
  expect(await moving({ adding: [3], removing: [1] })).toEqual([]);
  expect(await moving({ adding: [3], removing: [] })).toEqual(["in-sync"]);
  expect(await moving(undefined)).toEqual(["in-sync"]);
});

test("it tells how many, and no names", async () => {
  expect((await missing({ image: () => image({ leader: 2, isr: [2] }) }))[0]?.message).toBe("2 of 2 replicas are not in sync");
});
