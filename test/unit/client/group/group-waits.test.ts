import { expect, test } from "vitest";
import type { RetryEvent, SettledEvent } from "../../../../client/base/client-event-map.ts";
import { partitionOfKey } from "../../../../protocol/base/partition-of-key.ts";
import type { MetadataRequest } from "../../../../protocol/messages/metadata.ts";
import type { Intercepted, Interception } from "../fake-cluster.ts";
import { FakeCluster } from "../fake-cluster.ts";
import { FakeGroup, refuse } from "./fake-group.ts";
import { fill, Worker } from "./group-fixture.ts";

const offsetsTopic = "__consumer_offsets";
const partitionsCount = 5;
const own = `${offsetsTopic}-${partitionOfKey("g", partitionsCount)}`;

function world() {
  const cluster = new FakeCluster([1, 2, 3]);
  fill(cluster.topic("t", [1])[0], 0, 4);
  cluster.topic(offsetsTopic, new Array(partitionsCount).fill(1), Buffer.alloc(16, 7).toString("base64url"));
  const group = new FakeGroup(cluster);
  const worker = new Worker(cluster, ["t"], { autoCommit: false });
  const retries: RetryEvent[] = [];
  const settled: SettledEvent[] = [];
  worker.consumer.on("retry", (event) => event.what === "group g" && retries.push(event));
  worker.consumer.on("settled", (event) => event.what === "group g" && settled.push(event));
  return { cluster, group, worker, retries, settled };
}

const noBytes = Buffer.alloc(0);
const absent = { configSource: 1, synonyms: [], configType: 0, documentation: null };

/** Of the offsets topic: one replica of three is in sync, two are required; `mayAsk`: settings are told. */
function shortOfReplicas(cluster: FakeCluster, { api, request }: Intercepted, mayAsk = true): Interception {
  const isOfOffsets = (request as MetadataRequest).topics?.some(({ name }) => name === offsetsTopic) ?? false;
  if (api === "DescribeConfigs") {
    const configs = [{ name: "min.insync.replicas", value: "2", readOnly: false, isDefault: false, isSensitive: false, ...absent }];
    const error = { errorCode: "TOPIC_AUTHORIZATION_FAILED", errorMessage: null, resourceType: 2, resourceName: offsetsTopic, configs: [] };
    return { throttleTimeMs: 0, results: [mayAsk ? { ...error, errorCode: "NONE", configs } : error] };
  }
  if (api !== "Metadata" || !isOfOffsets) return undefined;
  const answer = cluster.metadata(request as MetadataRequest);
  const topics = answer.topics.map((topic) => ({
    ...topic,
    partitions: topic.partitions.map((partition) => ({ ...partition, replicaNodes: [1, 2, 3], isrNodes: [1] })),
  }));
  return { ...answer, topics };
}

test.each([true, false])(
  "a member that joins again and again waits until it is in, and is told what its coordinator lacks (%s)",
  async (mayAsk) => {
    const { cluster, group, worker, retries, settled } = world();
    group.override = (seen) =>
      seen.api === "SyncGroup" ? refuse("SyncGroup", "COORDINATOR_NOT_AVAILABLE", seen.request) : shortOfReplicas(cluster, seen, mayAsk);
    await cluster.clock.advance(15_000);
    expect(group.generation, "joins are answered").toBeGreaterThan(3);
    expect(settled).toEqual([]);
    const needed = mayAsk ? "2 required in-sync replicas" : "3 replicas in sync";
    expect(retries.at(-1)?.reason).toBe(`group g: ${own} has 1 of ${needed}: brokers 2, 3 are missing (COORDINATOR_NOT_AVAILABLE)`);
    expect(retries.at(-1)?.waitedMs).toBeGreaterThan(13_000);
    group.override = () => undefined;
    await cluster.clock.advance(5_000);
    expect(worker.owned).toEqual(["t-0"]);
    expect(settled).toMatchObject([{ what: "group g", outcome: "worked" }]);
    await cluster.clock.until(worker.consumer.close());
  },
);

test("a commit that fails waits until it is committed, however many heartbeats are answered meanwhile", async () => {
  const { cluster, group, worker, retries, settled } = world();
  await cluster.clock.advance(5_000);
  settled.length = 0;
  group.override = (seen) =>
    seen.api === "OffsetCommit" ? refuse(seen.api, "COORDINATOR_NOT_AVAILABLE", seen.request) : shortOfReplicas(cluster, seen);
  const committed = worker.consumer.commit([{ topic: "t", partition: 0, offset: 2 }]);
  await cluster.clock.advance(10_000);
  expect(retries.at(-1)?.reason).toContain(`${own} has 1 of 2 required in-sync replicas`);
  expect(settled).toEqual([]);
  group.override = () => undefined;
  await cluster.clock.until(committed);
  expect(settled).toMatchObject([{ outcome: "worked" }]);
  await cluster.clock.until(worker.consumer.close());
});

test("a join that its coordinator holds back tells for whom, not what went wrong before it was taken", async () => {
  const { cluster, group, worker, retries, settled } = world();
  let refused = 0;
  group.override = ({ api, request }) => {
    if (api === "JoinGroup" && refused++ === 0) return refuse(api, "NOT_COORDINATOR", request);
    if (api === "JoinGroup") return () => undefined;
    if (api !== "DescribeGroups") return undefined;
    const member = { groupInstanceId: null, clientId: "c", clientHost: "/h", memberMetadata: noBytes, memberAssignment: noBytes };
    const members = ["a", "b"].map((memberId) => ({ ...member, memberId, isAwaited: memberId === "a" }));
    const told = { errorCode: "NONE", groupId: "g", groupState: "PreparingRebalance", protocolType: "consumer", protocolData: "" };
    const ottlas = { authorizedOperations: 0, rebalanceSinceMs: 1, newcomers: 0 };
    return { throttleTimeMs: 0, groups: [{ ...told, ...ottlas, members }] };
  };
  await cluster.clock.advance(500);
  expect(retries.at(-1)?.reason).toContain("NOT_COORDINATOR");
  await cluster.clock.advance(1_500);
  expect(retries.at(-1)?.reason).toBe("group g is rebalancing: its coordinator waits for 1 of 2 members to join again");
  expect(settled).toEqual([]);
  await cluster.clock.until(worker.consumer.close());
});
