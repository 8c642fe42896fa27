import { describe, expect, test } from "vitest";
import { type ApisNamed, CloseConnection } from "../../../broker/api/api.ts";
import { noCoordinators } from "../../../broker/api/find-coordinator.ts";
import { groupApis } from "../../../broker/api/group-apis.ts";
import type { GroupService } from "../../../broker/api/group-context.ts";
import { leaveGroupApi } from "../../../broker/api/leave-group.ts";
import { logDirectoryApis } from "../../../broker/api/log-directory-apis.ts";
import { servedApis } from "../../../broker/api/registry.ts";
import type { ClientLeader, ClientPartitions } from "../../../broker/partition/client-contract.ts";
import { TransactionGuards } from "../../../broker/partition/transaction-guards.ts";
import { messagesByKey } from "../../../protocol/messages/apis.ts";
import { encodeWhole } from "../../../protocol/schema/message.ts";
import { leastOf, sampleOf } from "../protocol/samples.ts";
import { apiParts } from "./api-parts.ts";
import { context, Images, image, readWhole, topic, topicId } from "./fixtures.ts";

const leader: ClientLeader = {
  guards: new TransactionGuards(),
  openTransactionOf: () => null,
  append: async () => ({ error: null, baseOffset: 1, logAppendTimeMs: 2, logStartOffset: 0 }),
  read: async () => ({ error: "OFFSET_OUT_OF_RANGE" }),
  deleteRecords: async () => ({ error: null, lowWatermark: 3 }),
  listOffset: async () => ({ error: null, offset: 1, timestampMs: 2, leaderEpoch: 3 }),
  endOffsetForEpoch: () => ({ error: null, epoch: 1, endOffset: 2 }),
};
const partitions: ClientPartitions = {
  leader: () => leader,
  changed: async () => undefined,
  find: () => ({ producers: () => [] }),
};

const images = new Images(image([topic("orders", topicId("o"))]));
const refused = async () => ({ error: "NOT_COORDINATOR" }) as const;
const groups: GroupService = {
  run: refused,
  runEvenUnnamed: refused,
  listGroups: async () => ({ error: "COORDINATOR_LOAD_IN_PROGRESS", groups: [] }),
};
const directories = { describe: async () => [], move: () => "LOG_DIR_NOT_FOUND" } as unknown as Parameters<typeof logDirectoryApis>[0];

const { endpoints, controllerEndpoints } = servedApis(apiParts({ partitions, images, coordinators: () => noCoordinators }), {
  ...groupApis(groups, images),
  ...logDirectoryApis(directories, () => null),
});

const served: Readonly<Record<string, readonly [number, number]>> = {
  AddOffsetsToTxn: [0, 4],
  AddPartitionsToTxn: [0, 5],
  DescribeTransactions: [0, 0],
  EndTxn: [0, 5],
  ListTransactions: [0, 2],
  TxnOffsetCommit: [0, 5],
  WriteTxnMarkers: [0, 2],
  AlterConfigs: [0, 2],
  AlterPartitionReassignments: [0, 1],
  AlterReplicaLogDirs: [0, 2],
  ApiVersions: [0, 4],
  ConsumerGroupDescribe: [0, 1],
  ConsumerGroupHeartbeat: [0, 1],
  CreatePartitions: [0, 3],
  CreateTopics: [0, 7],
  DeleteGroups: [0, 2],
  DeleteRecords: [0, 2],
  DeleteTopics: [0, 6],
  DescribeCluster: [0, 1],
  DescribeConfigs: [0, 4],
  DescribeGroups: [0, 5],
  DescribeLogDirs: [0, 4],
  DescribeProducers: [0, 0],
  DescribeTopicPartitions: [0, 0],
  ElectLeaders: [0, 2],
  Fetch: [4, 17],
  FindCoordinator: [0, 6],
  Heartbeat: [0, 4],
  IncrementalAlterConfigs: [0, 1],
  InitProducerId: [0, 6],
  JoinGroup: [0, 9],
  LeaveGroup: [0, 5],
  ListGroups: [0, 5],
  ListOffsets: [0, 9],
  ListPartitionReassignments: [0, 0],
  Metadata: [0, 12],
  OffsetCommit: [0, 10],
  OffsetDelete: [0, 0],
  OffsetFetch: [0, 9],
  OffsetForLeaderEpoch: [0, 4],
  Produce: [3, 12],
  SyncGroup: [0, 5],
  UpdateFeatures: [0, 2],
};

const everyVersion = endpoints.flatMap((endpoint) => {
  const [first, last] = endpoint.versions;
  return Array.from({ length: last - first + 1 }, (_, i) => [`${endpoint.name} v${first + i}`, endpoint, first + i] as const);
});

describe("the registry", () => {
  test("serves these APIs in these versions", () => {
    expect(Object.fromEntries(endpoints.map(({ name, versions }) => [name, versions]))).toEqual(served);
    expect(endpoints.length).toBe(messagesByKey.size);
    const controllers = controllerEndpoints.map(({ name }) => name).sort();
    expect(controllers).toEqual([
      "AlterConfigs",
      "AlterPartitionReassignments",
      "CreatePartitions",
      "CreateTopics",
      "DeleteTopics",
      "ElectLeaders",
      "IncrementalAlterConfigs",
      "ListPartitionReassignments",
      "UpdateFeatures",
    ]);
    expect(
      endpoints
        .filter(({ controllerOnly }) => controllerOnly)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(controllers);
  });

  test("a handler that is missing, or that answers other messages, does not compile", () => {
    const leaveGroup = leaveGroupApi(groups);
    // @ts-expect-error: nobody answers heartbeats
    const missing: ApisNamed<"heartbeat" | "leaveGroup"> = { leaveGroup };
    // @ts-expect-error: what answers LeaveGroup does not read a heartbeat
    const wrong: ApisNamed<"heartbeat"> = { heartbeat: leaveGroup };
    expect([missing.leaveGroup, wrong.heartbeat]).toEqual([leaveGroup, leaveGroup]);
  });

  test.each(everyVersion)(
    "%s answers the fullest and the emptiest request with what the version can hold",
    async (_name, endpoint, version) => {
      const pair = messagesByKey.get(endpoint.apiKey);
      if (pair === undefined) throw new Error(`no messages for ${endpoint.name}`);
      for (const request of [sampleOf(pair.request.fields, version), leastOf(pair.request.fields, version)]) {
        const answer = await endpoint
          .serve(encodeWhole(pair.request, request, version), context(version))
          .catch((error: unknown) => (error instanceof CloseConnection ? null : Promise.reject(error)));
        if (answer === null) expect([endpoint.name, request.acks]).toEqual(["Produce", 0]);
        else expect(readWhole(pair.response, Buffer.concat(answer), version)).toBeDefined();
      }
    },
  );

  test("ApiVersions lists what the registry serves", async () => {
    const endpoint = endpoints.find(({ name }) => name === "ApiVersions");
    const pair = messagesByKey.get(18);
    if (endpoint === undefined || pair === undefined) throw new Error("no ApiVersions");
    const answer = await endpoint.serve(Buffer.alloc(0), context(0));
    const { apiKeys } = readWhole(pair.response, Buffer.concat(answer ?? []), 0) as { apiKeys: readonly { apiKey: number }[] };
    expect(apiKeys.map(({ apiKey }) => apiKey)).toEqual(endpoints.map(({ apiKey }) => apiKey).sort((a, b) => a - b));
  });
});
