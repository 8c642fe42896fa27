import { beforeAll, describe, expect, test } from "vitest";
import type { Endpoint } from "../../../broker/api/api.ts";
import { groupApis } from "../../../broker/api/group-apis.ts";
import type { GroupService } from "../../../broker/api/group-context.ts";
import { groupFinder } from "../../../broker/api/group-finder.ts";
import { logDirectoryApis } from "../../../broker/api/log-directory-apis.ts";
import { servedApis } from "../../../broker/api/registry.ts";
import { AnswerTooLarge, answerEach, ForwardedMeter, uncounted } from "../../../broker/api/request-meter.ts";
import type { ClientLeader, ClientPartitions } from "../../../broker/partition/client-contract.ts";
import { TransactionGuards } from "../../../broker/partition/transaction-guards.ts";
import { sliceMs, Turns } from "../../../broker/runtime/turns.ts";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { messagesByKey } from "../../../protocol/messages/apis.ts";
import { describeConfigsRequest } from "../../../protocol/messages/describe-configs.ts";
import { describeGroupsRequest } from "../../../protocol/messages/describe-groups.ts";
import { nodeClock } from "../../../protocol/node/node-clock.ts";
import { encodeWhole } from "../../../protocol/schema/message.ts";
import { MalformedFrame } from "../../../protocol/wire/reader.ts";
import { World } from "../group/world.ts";
import { leastOf } from "../protocol/samples.ts";
import { apiParts } from "./api-parts.ts";
import { context, Images, image, partition, topic, topicId } from "./fixtures.ts";

const id = topicId("o");
const producers = Array.from({ length: 300 }, (_, i) => ({
  ...{ producerId: i, epoch: 0, lastSequence: 1, lastOffset: 2, timestampMs: 3, coordinatorEpoch: 0, transactionFirstOffset: -1 },
}));
const leader: ClientLeader = {
  guards: new TransactionGuards(),
  openTransactionOf: () => null,
  append: async () => ({ error: "INVALID_RECORD", message: "no such batch" }),
  read: async () => ({ error: "OFFSET_OUT_OF_RANGE" }),
  deleteRecords: async () => ({ error: null, lowWatermark: 3 }),
  listOffset: async () => ({ error: null, offset: 1, timestampMs: 2, leaderEpoch: 3 }),
  endOffsetForEpoch: () => ({ error: null, epoch: 1, endOffset: 2 }),
};
const partitions: ClientPartitions = {
  leader: () => leader,
  changed: async () => undefined,
  find: () => ({ producers: () => producers }),
};
const directories = {
  describe: async () => [{ directory: "/data", isOnline: true, space: null, logs: [] }],
  move: () => "LOG_DIR_NOT_FOUND",
} as unknown as Parameters<typeof logDirectoryApis>[0];
const manyPartitions = Array.from({ length: 300 }, (_, i) => partition(i));
const images = new Images(image([topic("orders", id, manyPartitions), topic("__consumer_offsets", topicId("c"), [partition(0)])]));
const offsetMetadata = "m".repeat(4000);
const metadata = Buffer.alloc(4000, 1);

let served: ReadonlyMap<string, Endpoint>;
let world: World;

beforeAll(async () => {
  world = await World.loaded({ offsetMetadataMaxBytes: 4096 });
  const run: GroupService["run"] = (_groupId, operation) => world.shard.run(operation);
  const groups: GroupService = { run, runEvenUnnamed: run, listGroups: async () => ({ error: null, groups: world.machine.listGroups() }) };
  await world.join({ protocols: [{ name: "range", metadata }] });
  await world.clock.advance(6_000);
  const offsets = {
    partitionIndex: 0,
    committedOffset: 1,
    committedLeaderEpoch: -1,
    commitTimestamp: -1,
    committedMetadata: offsetMetadata,
  };
  const committer = { memberId: "", groupInstanceId: null, generationIdOrMemberEpoch: -1, apiVersion: 9, retentionTimeMs: -1 };
  await world.ask((machine, now) =>
    machine.commitOffsets("offsets", { ...committer, topics: [{ name: "orders", partitions: [offsets] }] }, now),
  );
  const { endpoints } = servedApis(
    apiParts({
      partitions,
      images,
      coordinators: (topicMaker) =>
        groupFinder({
          images,
          topicMaker,
          log: silentLogger,
          clock: nodeClock,
          config: { partitions: 1, replicationFactor: 1, segmentBytes: 1000 },
          transactions: { partitions: 1, replicationFactor: 1, segmentBytes: 1000 },
        }),
    }),
    { ...groupApis(groups, images), ...logDirectoryApis(directories, () => null) },
  );
  served = new Map(endpoints.map((endpoint) => [endpoint.name, endpoint]));
});

const times = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);
const named = { name: "orders" };
const fetchPart = { partition: 0, currentLeaderEpoch: -1, fetchOffset: 0, lastFetchedEpoch: -1, logStartOffset: -1, partitionMaxBytes: 1 };
const creation = { name: "", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };

/** It is in the key of every record about the group. */
const longGroupId = "g".repeat(30_000);
const position = { partitionIndex: 0, committedOffset: 1, committedLeaderEpoch: -1, commitTimestamp: -1, committedMetadata: null };

const transaction = { transactionalId: "t", producerId: 7, producerEpoch: 0, transactionVersion: 0 };

/**
 * For every API a request that says as often as wanted what has the largest answer for its size. What a request names is answered once, or
 * with no more than a few times what naming it takes. An API without an entry has nothing that can be said more than once.
 */
const repeating: Readonly<Record<string, ((count: number) => object) | null>> = {
  AddOffsetsToTxn: null,
  AddPartitionsToTxn: (n) => ({
    transactions: [{ ...transaction, verifyOnly: true, topics: times(n, { ...named, partitions: [0] }) }],
  }),
  DescribeTransactions: (n) => ({ transactionalIds: times(n, "t") }),
  EndTxn: null,
  ListTransactions: (n) => ({ stateFilters: times(n, "Nowhere"), producerIdFilters: [] }),
  TxnOffsetCommit: (n) => ({ ...transaction, groupId: "g", topics: [{ ...named, partitions: times(n, position) }] }),
  WriteTxnMarkers: (n) => ({
    markers: [{ ...transaction, transactionResult: false, topics: times(n, { ...named, partitionIndexes: [0] }), coordinatorEpoch: 0 }],
  }),
  AlterConfigs: (n) => ({ resources: times(n, { resourceType: 2, resourceName: "", configs: [] }) }),
  AlterReplicaLogDirs: (n) => ({ dirs: [{ path: "", topics: [{ name: "", partitions: times(n, 0) }] }] }),
  AlterPartitionReassignments: (n) => ({ topics: times(n, { name: "", partitions: [{ partitionIndex: 0, replicas: null }] }) }),
  ApiVersions: null,
  ConsumerGroupDescribe: (n) => ({ groupIds: times(n, "g") }),
  ConsumerGroupHeartbeat: (n) => ({ groupId: "x", memberId: "", subscribedTopicNames: times(n, "orders"), topicPartitions: [] }),
  CreatePartitions: (n) => ({ topics: times(n, { name: "", count: 1, assignments: null }) }),
  CreateTopics: (n) => ({ topics: times(n, creation) }),
  DeleteGroups: (n) => ({ groupsNames: times(n, "") }),
  DeleteRecords: (n) => ({ topics: [{ name: "orders", partitions: times(n, { partitionIndex: 0, offset: 0 }) }] }),
  DeleteTopics: (n) => ({ topics: times(n, { name: "", topicId: zeroTopicId }), topicNames: [] }),
  DescribeCluster: null,
  DescribeConfigs: (n) => ({
    resources: times(n, { resourceType: 4, resourceName: "1", configurationKeys: null }),
    includeSynonyms: true,
    includeDocumentation: true,
  }),
  DescribeGroups: (n) => ({ groups: times(n, "g") }),
  DescribeLogDirs: (n) => ({ topics: times(n, { topic: "", partitions: [] }) }),
  DescribeProducers: (n) => ({ topics: times(n, { ...named, partitionIndexes: [0] }) }),
  DescribeTopicPartitions: (n) => ({ topics: times(n, named), cursor: null, responsePartitionLimit: 2000 }),
  ElectLeaders: (n) => ({ topicPartitions: [{ topic: "", partitions: times(n, 0) }] }),
  Fetch: (n) => ({
    sessionEpoch: -1,
    topics: times(n, { topicId: id, topic: "", partitions: [{ ...fetchPart, replicaDirectoryId: zeroTopicId }] }),
  }),
  FindCoordinator: (n) => ({ coordinatorKeys: times(n, "g") }),
  Heartbeat: null,
  IncrementalAlterConfigs: (n) => ({ resources: times(n, { resourceType: 2, resourceName: "", configs: [] }) }),
  InitProducerId: null,
  JoinGroup: (n) => ({ groupId: "y", sessionTimeoutMs: 10_000, protocols: times(n, { name: "", metadata: Buffer.alloc(0) }) }),
  LeaveGroup: (n) => ({ groupId: "g", members: times(n, { memberId: "", groupInstanceId: null, reason: null }) }),
  ListGroups: (n) => ({ statesFilter: times(n, "stable"), typesFilter: [] }),
  ListOffsets: (n) => ({ topics: [{ ...named, partitions: times(n, { partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -1 }) }] }),
  ListPartitionReassignments: (n) => ({ topics: times(n, { name: "", partitionIndexes: [0] }) }),
  Metadata: (n) => ({ topics: times(n, { topicId: zeroTopicId, name: "orders" }) }),
  OffsetCommit: (n) => ({
    ...{ groupId: longGroupId, generationIdOrMemberEpoch: -1 },
    topics: [{ ...{ ...named, topicId: id }, partitions: times(n, position) }],
  }),
  OffsetDelete: (n) => ({ groupId: "offsets", topics: [{ ...named, partitions: times(n, { partitionIndex: 7 }) }] }),
  OffsetFetch: (n) => ({
    groups: [{ groupId: "offsets", memberId: null, memberEpoch: -1, topics: times(n, { ...named, partitionIndexes: [0] }) }],
  }),
  OffsetForLeaderEpoch: (n) => ({
    topics: [{ topic: "orders", partitions: times(n, { partition: 0, currentLeaderEpoch: -1, leaderEpoch: 1 }) }],
  }),
  Produce: (n) => ({ acks: 1, topicData: [{ ...named, partitionData: times(n, { index: 0, records: null }) }] }),
  SyncGroup: (n) => ({ groupId: "g", assignments: times(n, { memberId: "", assignment: Buffer.alloc(0) }) }),
  UpdateFeatures: (n) => ({ featureUpdates: times(n, { feature: "", maxVersionLevel: 1 }) }),
};

/** Bytes of the largest answer per byte of a request's item: an error with its sentence to a thing without a name. */
const ratioMax = 20;

interface Sizes {
  readonly asked: number;
  readonly answered: number;
  /** Bytes of the groups' log. */
  readonly appended: number;
}

const logBytes = () => world.partition.batches.reduce((sum, { bytes }) => sum + bytes.length, 0);

async function sizes(name: string, count: number): Promise<Sizes> {
  const endpoint = served.get(name)!;
  const version = endpoint.versions[1];
  const { request } = messagesByKey.get(endpoint.apiKey)!;
  const body = encodeWhole(request, { ...leastOf(request.fields, version), ...repeating[name]?.(count) }, version);
  const before = logBytes();
  const answer = endpoint.serve(body, context(version));
  await world.clock.advance(1);
  return { asked: body.length, answered: Buffer.concat((await answer) ?? []).length, appended: logBytes() - before };
}

test("there is a request for every API that is served", () => {
  expect([...served.keys()].sort()).toEqual(Object.keys(repeating).sort());
});

test.each(Object.keys(repeating).filter((name) => repeating[name] !== null))(
  "%s does not answer or append much because it is asked often",
  async (name) => {
    const [few, many] = [await sizes(name, 2), await sizes(name, 1002)];
    const ratio = (many.answered - few.answered) / (many.asked - few.asked);
    expect(ratio).toBeLessThanOrEqual(ratioMax);
    expect((many.appended - few.appended) / (many.asked - few.asked), "in the groups' log").toBeLessThanOrEqual(1);
  },
);

describe("what one request may cost", () => {
  test("a request that names very many things is not even read", () => {
    const endpoint = served.get("DescribeGroups")!;
    const { request } = messagesByKey.get(endpoint.apiKey)!;
    const body = encodeWhole(request, { groups: times(200_001, ""), includeAuthorizedOperations: false, includeRebalance: false }, 5);
    expect(() => endpoint.serve(body, context(5))).toThrow(MalformedFrame);
    let decodedBytes = 0;
    const decoded = (bytes: number) => {
      decodedBytes += bytes;
    };
    const allowed = encodeWhole(request, { groups: times(1000, ""), includeAuthorizedOperations: false, includeRebalance: false }, 5);
    void endpoint.serve(allowed, context(5, { meter: { ...uncounted, decoded } }));
    expect(decodedBytes, "counted by what it takes in memory").toBeGreaterThanOrEqual(100_000);
  });

  test("an answer is given up as soon as it is too large, before all of it was made", async () => {
    const many = Array.from({ length: 2000 }, (_, i) => topic(`t${i}`, topicId(`t${i}`)));
    images.replace(image(many));
    let taken = 0;
    const take = (bytes: number) => {
      taken += bytes;
      if (taken > 1_000_000) throw new AnswerTooLarge("more than 1000000 bytes");
    };
    const resources = many.map(({ name }) => ({ resourceType: 2, resourceName: name, configurationKeys: null }));
    const body = encodeWhole(describeConfigsRequest, { resources, includeSynonyms: true, includeDocumentation: true }, 4);
    const endpoint = served.get("DescribeConfigs")!;
    await expect(endpoint.serve(body, context(4, { meter: { ...uncounted, take } }))).rejects.toThrow(AnswerTooLarge);
    expect(taken).toBeLessThan(1_100_000);
    // what nobody counted while it was made is bounded where it is written
    await expect(endpoint.serve(body, context(4, { meter: { ...uncounted, answerMaxBytes: 1_000_000 } }))).rejects.toThrow(AnswerTooLarge);
  });

  test("what waits for one thing after the other begins nothing more once its client is gone", async () => {
    let begun = 0;
    let isGone = false;
    const checkAwaited = () => {
      if (isGone) throw new Error("the client is gone");
    };
    const answers = answerEach(Array.from({ length: 10_000 }).keys(), { ...uncounted, checkAwaited }, async () => {
      isGone = ++begun > 100;
      return begun;
    });
    await expect(answers).rejects.toThrow("the client is gone");
    expect(begun).toBeLessThan(200);
  });

  test("a long request lets others have their turns", async () => {
    const turns = new Turns(nodeClock);
    const groups = Array.from({ length: 100_000 }, (_, i) => `${i}`);
    const body = encodeWhole(describeGroupsRequest, { groups, includeAuthorizedOperations: false, includeRebalance: false }, 5);
    let turnsOfOthers = 0;
    let isDone = false;
    const other = () => {
      turnsOfOthers++;
      if (!isDone) setImmediate(other);
    };
    setImmediate(other);
    const startedMs = performance.now();
    await served.get("DescribeGroups")!.serve(body, context(5, { meter: new ForwardedMeter(turns) }));
    isDone = true;
    // as many as there were slices, but for the reading of the request and the writing of the answer, each of which is one piece
    expect(turnsOfOthers).toBeGreaterThan((performance.now() - startedMs) / sliceMs / 10);
  });
});
