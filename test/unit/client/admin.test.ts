import { expect, test } from "vitest";
import { Admin } from "../../../client/admin/admin.ts";
import { orThrow } from "../../../client/admin/admin-types.ts";
import { KafkaProtocolError } from "../../../client/base/errors.ts";
import type { AlterPartitionReassignmentsRequest } from "../../../protocol/messages/alter-partition-reassignments.ts";
import type { CreateTopicsRequest } from "../../../protocol/messages/create-topics.ts";
import type { DeleteRecordsRequest } from "../../../protocol/messages/delete-records.ts";
import type { DescribeConfigsRequest } from "../../../protocol/messages/describe-configs.ts";
import type { IncrementalAlterConfigsRequest } from "../../../protocol/messages/incremental-alter-configs.ts";
import { FakeCluster, textRecord } from "./fake-cluster.ts";

const created = (name: string, errorCode = "NONE", errorMessage: string | null = null) => ({
  name,
  topicId: `${"A".repeat(21)}Q`,
  errorCode,
  errorMessage,
  topicConfigErrorCode: "NONE",
  numPartitions: 3,
  replicationFactor: 2,
  configs: [],
});

test("each topic succeeds or fails by itself, with a code and a sentence", async () => {
  const fake = new FakeCluster();
  let seen: CreateTopicsRequest | null = null;
  fake.intercept = ({ api, request }) => {
    if (api !== "CreateTopics") return undefined;
    seen = request;
    return { throttleTimeMs: 0, topics: [created("b", "TOPIC_ALREADY_EXISTS"), created("a")] };
  };
  const admin = new Admin(fake.options);
  const wanted = [
    { name: "a", partitions: 3, replicationFactor: 2, configs: { "min.insync.replicas": "2" } },
    {
      name: "b",
      assignment: [
        [1, 2],
        [2, 1],
      ],
    },
  ];
  const results = await fake.clock.until(admin.createTopics(wanted));
  expect(results[0]).toMatchObject({ error: null, name: "a", partitions: 3, replicationFactor: 2 });
  expect(results[1]?.error).toBeInstanceOf(KafkaProtocolError);
  expect(results[1]?.error?.message).toBe("creating topic b: the topic exists already (TOPIC_ALREADY_EXISTS)");
  expect(() => orThrow(results)).toThrow("TOPIC_ALREADY_EXISTS");
  expect(seen).toMatchObject({
    topics: [
      { name: "a", numPartitions: 3, replicationFactor: 2, assignments: [], configs: [{ name: "min.insync.replicas", value: "2" }] },
      {
        name: "b",
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [
          { partitionIndex: 0, brokerIds: [1, 2] },
          { partitionIndex: 1, brokerIds: [2, 1] },
        ],
      },
    ],
    validateOnly: false,
  });
});

test("what fails for the moment is tried again, only the items that failed; the controller is found when brokers do not forward", async () => {
  const fake = new FakeCluster([1, 2, 3]);
  const asked: string[][] = [];
  fake.intercept = ({ api, request, broker }) => {
    if (api !== "CreateTopics") return undefined;
    const names = (request as CreateTopicsRequest).topics.map(({ name }) => name);
    asked.push(names);
    const isFirst = asked.length === 1;
    return {
      throttleTimeMs: 0,
      topics: names.map((name) => created(name, name === "b" && (isFirst || broker !== 1) ? "NOT_CONTROLLER" : "NONE")),
    };
  };
  const results = await fake.clock.until(new Admin(fake.options).createTopics([{ name: "a" }, { name: "b" }]));
  expect(orThrow(results).map(({ name }) => name)).toEqual(["a", "b"]);
  expect(asked).toEqual([["a", "b"], ["b"]]);
});

test("lost connections are survived, within the operation's time", async () => {
  const fake = new FakeCluster();
  let attempts = 0;
  fake.intercept = ({ api }) => {
    if (api !== "DeleteTopics") return undefined;
    if (attempts++ < 3) return "close";
    return { throttleTimeMs: 0, responses: [{ name: "t", topicId: "A".repeat(22), errorCode: "NONE", errorMessage: null }] };
  };
  expect(await fake.clock.until(new Admin(fake.options).deleteTopics(["t"]))).toEqual([{ name: "t", error: null }]);
  fake.intercept = ({ api }) => (api === "DeleteTopics" ? "close" : undefined);
  const before = fake.clock.monotonicMs();
  await expect(fake.clock.until(new Admin({ ...fake.options, operationTimeoutMs: 3_000 }).deleteTopics(["t"]))).rejects.toThrow("lost");
  expect(fake.clock.monotonicMs() - before).toBeLessThanOrEqual(3_000);
});

test("topics and cluster are described from metadata; an unknown topic is an answer, at once", async () => {
  const fake = new FakeCluster();
  fake.topic("b", [1, 2]);
  fake.topic("a", [2]);
  const admin = new Admin(fake.options);
  expect((await fake.clock.until(admin.listTopics())).map(({ name, partitions }) => [name, partitions.length])).toEqual([
    ["a", 1],
    ["b", 2],
  ]);
  const [known, unknown] = await fake.clock.until(admin.describeTopics(["b", "nowhere"]));
  expect(known).toMatchObject({ error: null, name: "b", partitions: [{ leader: 1 }, { leader: 2 }] });
  expect(unknown?.error?.code).toBe("UNKNOWN_TOPIC_OR_PARTITION");
  expect(fake.clock.monotonicMs()).toBe(1_000);
  expect(await fake.clock.until(admin.describeCluster())).toEqual({
    clusterId: "fake",
    controllerId: 1,
    brokers: [1, 2].map((id) => ({ id, host: "fake", port: 9000 + id, rack: null })),
  });
});

test("a broker's settings are asked of that broker, a topic's of any", async () => {
  const fake = new FakeCluster([1, 2, 3]);
  const askedAt: (string | number)[][] = [];
  fake.intercept = ({ api, request, broker }) => {
    if (api === "DescribeConfigs") {
      const { resourceType, resourceName } = (request as DescribeConfigsRequest).resources[0] as {
        resourceType: number;
        resourceName: string;
      };
      askedAt.push([resourceType, resourceName, resourceType === 4 ? broker : 0]);
      const config = {
        name: "n",
        value: "v",
        readOnly: false,
        isDefault: false,
        configSource: 1,
        isSensitive: false,
        synonyms: [],
        configType: 0,
        documentation: null,
      };
      return { throttleTimeMs: 0, results: [{ errorCode: "NONE", errorMessage: null, resourceType, resourceName, configs: [config] }] };
    }
    if (api !== "IncrementalAlterConfigs") return undefined;
    const resources = (request as IncrementalAlterConfigsRequest).resources;
    expect(resources[0]?.configs).toEqual([
      { name: "retention.ms", configOperation: 0, value: "5" },
      { name: "cleanup.policy", configOperation: 1, value: null },
    ]);
    const responses = resources.map(({ resourceType, resourceName }) => ({
      errorCode: "INVALID_CONFIG",
      errorMessage: "no",
      resourceType,
      resourceName,
    }));
    return { throttleTimeMs: 0, responses };
  };
  const admin = new Admin(fake.options);
  const results = await fake.clock.until(admin.describeConfigs([{ broker: 3 }, { topic: "t" }]));
  expect(orThrow(results).map(({ configs }) => configs)).toEqual(
    Array(2).fill([{ name: "n", value: "v", source: "topic", isReadOnly: false, isSensitive: false, synonyms: [] }]),
  );
  expect(askedAt.toSorted()).toEqual([
    [2, "t", 0],
    [4, "3", 3],
  ]);
  const changes = [
    { name: "retention.ms", operation: "set", value: "5" },
    { name: "cleanup.policy", operation: "delete" },
  ] as const;
  const [altered] = await fake.clock.until(admin.incrementalAlterConfigs([{ resource: { topic: "t" }, changes }]));
  expect(altered?.error?.message).toBe("altering configs of topic t: no (INVALID_CONFIG)");
});

test("elections come back per partition, offsets in the order asked", async () => {
  const fake = new FakeCluster();
  const [a, b] = fake.topic("t", [1, 2]);
  a?.appendRecords([textRecord("x", null, 5), textRecord("y", null, 9)]);
  b?.appendRecords([textRecord("z")]);
  fake.intercept = ({ api }) =>
    api !== "ElectLeaders"
      ? undefined
      : {
          throttleTimeMs: 0,
          errorCode: "NONE",
          replicaElectionResults: [
            {
              topic: "t",
              partitionResult: [
                { partitionId: 0, errorCode: "NONE", errorMessage: null },
                { partitionId: 1, errorCode: "ELECTION_NOT_NEEDED", errorMessage: null },
              ],
            },
          ],
        };
  const admin = new Admin(fake.options);
  const elected = await fake.clock.until(
    admin.electLeaders("preferred", [
      { topic: "t", partition: 0 },
      { topic: "t", partition: 1 },
    ]),
  );
  expect(elected.map(({ partition, error }) => [partition, error?.code ?? null])).toEqual([
    [0, null],
    [1, "ELECTION_NOT_NEEDED"],
  ]);
  const requests = [
    { topic: "t", partition: 1, spec: "latest" },
    { topic: "t", partition: 0, spec: { timestampMs: 6 } },
    { topic: "t", partition: 0, spec: "earliest" },
  ] as const;
  const found = await fake.clock.until(admin.listOffsets(requests));
  expect(found.map(({ partition, offset }) => [partition, offset])).toEqual([
    [1, 1],
    [0, 1],
    [0, 0],
  ]);
});

test("reassignments come back in the order asked; an error of the whole request is asked again", async () => {
  const fake = new FakeCluster();
  fake.topic("t", [1, 1, 1]);
  const asked: AlterPartitionReassignmentsRequest[] = [];
  fake.intercept = ({ api, request }) => {
    if (api === "ListPartitionReassignments") {
      const partition = { partitionIndex: 2, replicas: [2, 1], addingReplicas: [2], removingReplicas: [1] };
      return { throttleTimeMs: 0, errorCode: "NONE", errorMessage: null, topics: [{ name: "t", partitions: [partition] }] };
    }
    if (api !== "AlterPartitionReassignments") return undefined;
    asked.push(request as AlterPartitionReassignmentsRequest);
    const whole = { throttleTimeMs: 0, allowReplicationFactorChange: true, errorMessage: null };
    if (asked.length === 1) return { ...whole, errorCode: "NOT_CONTROLLER", responses: [] };
    const partitions = [
      { partitionIndex: 0, errorCode: "NO_REASSIGNMENT_IN_PROGRESS", errorMessage: "none" },
      { partitionIndex: 2, errorCode: "NONE", errorMessage: null },
    ];
    return { ...whole, errorCode: "NONE", responses: [{ name: "t", partitions }] };
  };
  const admin = new Admin(fake.options);
  const wanted = [{ topic: "t", partition: 2, replicas: [2, 1] }, { topic: "t", partition: 0, replicas: null }]; // biome-ignore format: pairs
  const altered = await fake.clock.until(admin.alterPartitionReassignments(wanted));
  expect(altered.map(({ partition, error }) => [partition, error?.code ?? null])).toEqual([
    [2, null],
    [0, "NO_REASSIGNMENT_IN_PROGRESS"],
  ]);
  expect(asked).toHaveLength(2);
  const partitions = [{ partitionIndex: 2, replicas: [2, 1] }, { partitionIndex: 0, replicas: null }]; // biome-ignore format: pairs
  expect(asked[1]?.topics).toEqual([{ name: "t", partitions }]);
  expect(await fake.clock.until(admin.listPartitionReassignments())).toEqual([
    { topic: "t", partition: 2, replicas: [2, 1], adding: [2], removing: [1] },
  ]);
});

test("records are deleted at the partitions' leaders; an error of the moment is asked again, one that stays belongs to its partition", async () => {
  const fake = new FakeCluster([1, 2]);
  fake.topic("t", [1, 2, 1]);
  const asked: (readonly [broker: number, partition: number, offset: number])[] = [];
  fake.intercept = ({ api, request, broker }) => {
    if (api !== "DeleteRecords") return undefined;
    const { topics } = request as DeleteRecordsRequest;
    return {
      throttleTimeMs: 0,
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, offset }) => {
          asked.push([broker, partitionIndex, offset]);
          const isFirst = asked.filter(([, partition]) => partition === partitionIndex).length === 1;
          if (partitionIndex === 1 && isFirst) return { partitionIndex, lowWatermark: -1, errorCode: "NOT_LEADER_OR_FOLLOWER" };
          if (partitionIndex === 2) return { partitionIndex, lowWatermark: -1, errorCode: "OFFSET_OUT_OF_RANGE" };
          return { partitionIndex, lowWatermark: 40 + partitionIndex, errorCode: "NONE" };
        }),
      })),
    };
  };
  const wanted = [
    { topic: "t", partition: 2, before: 1e6 },
    { topic: "t", partition: 0, before: 40 },
    { topic: "t", partition: 1, before: "all" },
  ] as const;
  const results = await fake.clock.until(new Admin(fake.options).deleteRecords(wanted));
  expect(results.map(({ partition, error, startOffset }) => [partition, error?.code ?? startOffset])).toEqual([
    [2, "OFFSET_OUT_OF_RANGE"],
    [0, 40],
    [1, 41],
  ]);
  expect(asked.filter(([, partition]) => partition === 1).map(([, , offset]) => offset)).toEqual([-1, -1]);
  expect(asked.length).toBe(4);
});

test("a change of settings that failed for a moment is tried again, and one that fails for good is told with its reason", async () => {
  const fake = new FakeCluster();
  const codes = ["NOT_CONTROLLER", "REQUEST_TIMED_OUT", "NONE", "INVALID_CONFIG"];
  let asked = 0;
  fake.intercept = ({ api }) => {
    if (api !== "IncrementalAlterConfigs" && api !== "AlterConfigs") return undefined;
    const errorCode = codes[asked++] ?? "REQUEST_TIMED_OUT";
    return { throttleTimeMs: 0, responses: [{ errorCode, errorMessage: "because", resourceType: 2, resourceName: "t" }] };
  };
  const admin = new Admin({ ...fake.options, operationTimeoutMs: 5_000 });
  const changes = [{ operation: "set" as const, name: "retention.ms", value: "1" }];
  const alter = () => fake.clock.until(admin.incrementalAlterConfigs([{ resource: { topic: "t" }, changes }]));
  expect(await alter()).toStrictEqual([{ error: null, resource: { topic: "t" } }]);
  expect(asked).toBe(3);
  expect((await alter())[0]?.error?.message).toContain("because (INVALID_CONFIG)");
  expect(asked).toBe(4);
  const [late] = await fake.clock.until(admin.alterConfigs([{ resource: { topic: "t" }, configs: {} }]));
  expect(late?.error?.message).toContain("because (REQUEST_TIMED_OUT)");
  expect(asked).toBeGreaterThan(5);
});
