import { describe, expect, test } from "vitest";
import { alterConfigsApi } from "../../../broker/api/alter-configs.ts";
import { alterPartitionReassignmentsApi } from "../../../broker/api/alter-partition-reassignments.ts";
import { createPartitionsApi } from "../../../broker/api/create-partitions.ts";
import { createTopicsApi } from "../../../broker/api/create-topics.ts";
import { deleteTopicsApi } from "../../../broker/api/delete-topics.ts";
import { electLeadersApi } from "../../../broker/api/elect-leaders.ts";
import { incrementalAlterConfigsApi } from "../../../broker/api/incremental-alter-configs.ts";
import { listPartitionReassignmentsApi } from "../../../broker/api/list-partition-reassignments.ts";
import { describeTopicConfigs } from "../../../broker/runtime/config/describe.ts";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import type { CreateTopicsRequest } from "../../../protocol/messages/create-topics.ts";
import { FakeController } from "./fake-controller.ts";
import { answerOf, topicId } from "./fixtures.ts";

function creation(names: readonly string[], more: Partial<CreateTopicsRequest["topics"][number]> = {}): CreateTopicsRequest {
  const topics = names.map((name) => ({ name, numPartitions: 4, replicationFactor: 3, assignments: [], configs: [], ...more }));
  return { topics, timeoutMs: 900, validateOnly: false };
}

describe("CreateTopics", () => {
  const layers = { dynamic: {}, dynamicDefault: {}, static: {} };
  const apiOf = (controller: FakeController) => createTopicsApi(controller, (own) => describeTopicConfigs(own, layers, null));

  test("creates topics and answers as much of them as each version has", async () => {
    for (let version = 0; version <= 7; version++) {
      const controller = new FakeController();
      const configs = [{ name: "retention.ms", value: "77" }];
      const response = await answerOf(apiOf(controller), creation(["a"], { configs }), version);
      const [created] = response.topics;
      expect(created).toMatchObject({
        name: "a",
        errorCode: "NONE",
        topicId: version >= 7 ? topicId("a") : zeroTopicId,
        numPartitions: version >= 5 ? 4 : -1,
        replicationFactor: version >= 5 ? 3 : -1,
      });
      const shown = created?.configs?.find(({ name }) => name === "retention.ms");
      expect(shown).toEqual(
        version >= 5 ? { name: "retention.ms", value: "77", readOnly: false, configSource: 1, isSensitive: false } : undefined,
      );
      expect(controller.calls[0]?.options).toEqual({ timeoutMs: 900, validateOnly: false });
    }
  });

  test("a name given twice is refused in its places, the others are created, all in the request's order", async () => {
    const controller = new FakeController();
    controller.errors.set("c", "TOPIC_ALREADY_EXISTS");
    const { topics } = await answerOf(apiOf(controller), { ...creation(["a", "b", "a", "c"]), validateOnly: true }, 5);
    expect(topics.map(({ name, errorCode, errorMessage }) => [name, errorCode, errorMessage])).toEqual([
      ["a", "INVALID_REQUEST", "The topic is named more than once."],
      ["b", "NONE", null],
      ["a", "INVALID_REQUEST", "The topic is named more than once."],
      ["c", "TOPIC_ALREADY_EXISTS", "no: c"],
    ]);
    expect(topics[3]).toMatchObject({ numPartitions: -1, replicationFactor: -1, configs: [] });
    expect(controller.calls).toMatchObject([{ items: [{ name: "b" }, { name: "c" }], options: { validateOnly: true } }]);
  });

  test("the numbers may be left to the broker in every version: clients that speak an old one rely on it", async () => {
    for (let version = 0; version <= 7; version++) {
      const controller = new FakeController();
      const answer = await answerOf(apiOf(controller), creation(["a"], { numPartitions: -1, replicationFactor: -1 }), version);
      expect(answer.topics[0]?.errorCode).toBe("NONE");
      expect(controller.calls).toMatchObject([{ items: [{ numPartitions: -1, replicationFactor: -1 }] }]);
    }
  });
});

describe("DeleteTopics", () => {
  const named = (name: string | null, id: string | null = null) => ({ name, topicId: id ?? zeroTopicId });

  test("deletes by name in every version, by id from 6 on", async () => {
    for (let version = 0; version <= 6; version++) {
      const topics = version >= 6 ? [named("a"), named(null, topicId("x"))] : [];
      const topicNames = version >= 6 ? [] : ["a"];
      const { responses } = await answerOf(deleteTopicsApi(new FakeController()), { topics, topicNames, timeoutMs: 5 }, version);
      expect(responses.map(({ errorCode, name, topicId: id }) => [errorCode, name, id])).toEqual(
        version >= 6
          ? [
              ["NONE", "a", topicId("f")],
              ["NONE", "found by id", topicId("x")],
            ]
          : [["NONE", "a", zeroTopicId]],
      );
    }
  });

  test("refuses topics named twice, in both ways, or not at all", async () => {
    const controller = new FakeController();
    const topics = [
      named("a"),
      named("a"),
      named(null),
      named("b", topicId("b")),
      named(null, topicId("c")),
      named(null, topicId("c")),
      named("d"),
    ];
    const { responses } = await answerOf(deleteTopicsApi(controller), { topics, topicNames: [], timeoutMs: 5 }, 6);
    expect(responses.map(({ errorCode }) => errorCode)).toEqual([...Array(6).fill("INVALID_REQUEST"), "NONE"]);
    expect(controller.calls[0]?.items).toEqual([{ name: "d", id: null }]);
  });

  test("clients before version 3 do not know that deletion can be disabled", async () => {
    const controller = new FakeController();
    controller.error = "TOPIC_DELETION_DISABLED";
    const codeIn = async (version: number) =>
      (await answerOf(deleteTopicsApi(controller), { topics: [], topicNames: ["a"], timeoutMs: 5 }, version)).responses[0]?.errorCode;
    expect([await codeIn(2), await codeIn(3)]).toEqual(["INVALID_REQUEST", "TOPIC_DELETION_DISABLED"]);
  });
});

test("CreatePartitions raises each topic's number in every version, and refuses a topic named twice", async () => {
  for (let version = 0; version <= 3; version++) {
    const controller = new FakeController();
    const topics = [
      { name: "a", count: 6, assignments: [{ brokerIds: [1, 2] }] },
      { name: "b", count: 2, assignments: null },
      { name: "b", count: 3, assignments: null },
    ];
    const { results } = await answerOf(createPartitionsApi(controller), { topics, timeoutMs: 5, validateOnly: true }, version);
    expect(results.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ["a", "NONE"],
      ["b", "INVALID_REQUEST"],
      ["b", "INVALID_REQUEST"],
    ]);
    expect(controller.calls).toEqual([
      {
        method: "createPartitions",
        items: [{ name: "a", count: 6, assignments: [[1, 2]] }],
        options: { timeoutMs: 5, validateOnly: true },
      },
    ]);
  }
});

describe("ElectLeaders", () => {
  const some = [{ topic: "orders", partitions: [0, 1] }];

  test("elects for the partitions named, in every version", async () => {
    for (let version = 0; version <= 2; version++) {
      const controller = new FakeController();
      controller.errors.set("orders-1", "ELECTION_NOT_NEEDED");
      const request = { electionType: version >= 1 ? 1 : 0, topicPartitions: some, timeoutMs: 5 };
      const response = await answerOf(electLeadersApi(controller), request, version);
      expect(response.replicaElectionResults).toEqual([
        {
          topic: "orders",
          partitionResult: [
            { partitionId: 0, errorCode: "NONE", errorMessage: null },
            { partitionId: 1, errorCode: "ELECTION_NOT_NEEDED", errorMessage: "no: orders-1" },
          ],
        },
      ]);
      expect(controller.calls[0]?.method).toBe(version >= 1 ? "electLeaders unclean" : "electLeaders preferred");
    }
  });

  test("asked for all partitions, leaves out those that need no election", async () => {
    const controller = new FakeController();
    controller.errors.set("orders-0", "ELECTION_NOT_NEEDED");
    const response = await answerOf(electLeadersApi(controller), { electionType: 0, topicPartitions: null, timeoutMs: 5 }, 2);
    expect(response.replicaElectionResults.flatMap(({ partitionResult }) => partitionResult.map(({ partitionId }) => partitionId))).toEqual(
      [1],
    );
  });

  test("elects a partition once, however often it is named", async () => {
    const controller = new FakeController();
    const named = { topic: "orders", partitions: [1, 0, 1] };
    const topicPartitions = [named, { topic: "other", partitions: [0] }, named];
    const response = await answerOf(electLeadersApi(controller), { electionType: 0, topicPartitions, timeoutMs: 5 }, 2);
    expect(controller.calls[0]?.items).toEqual([
      { topic: "orders", partition: 1 },
      { topic: "orders", partition: 0 },
      { topic: "other", partition: 0 },
    ]);
    expect(response.replicaElectionResults.map(({ partitionResult }) => partitionResult.length)).toEqual([2, 1]);
  });

  test("refuses a kind of election that there is not", async () => {
    const response = await answerOf(electLeadersApi(new FakeController()), { electionType: 7, topicPartitions: some, timeoutMs: 5 }, 2);
    expect(response.errorCode).toBe("INVALID_REQUEST");
  });
});

describe("AlterPartitionReassignments", () => {
  const topics = [
    { name: "orders", partitions: [{ partitionIndex: 1, replicas: [3, 1] }, { partitionIndex: 0, replicas: null }] }, // biome-ignore format: pairs
    { name: "other", partitions: [{ partitionIndex: 0, replicas: [2] }] },
  ];

  test("asks for all of it at once, in both versions", async () => {
    for (const version of [0, 1]) {
      const controller = new FakeController();
      controller.errors.set("orders-0", "NO_REASSIGNMENT_IN_PROGRESS");
      const request = { timeoutMs: 5, allowReplicationFactorChange: version === 0, topics };
      const response = await answerOf(alterPartitionReassignmentsApi(controller), request, version);
      expect(response).toMatchObject({
        errorCode: "NONE",
        responses: [
          {
            name: "orders",
            partitions: [{ errorCode: "NONE" }, { errorCode: "NO_REASSIGNMENT_IN_PROGRESS", errorMessage: "no: orders-0" }],
          },
          { name: "other", partitions: [{ partitionIndex: 0, errorCode: "NONE" }] },
        ],
      });
      expect(controller.calls).toEqual([
        {
          method: "alterPartitionReassignments",
          items: [
            { topic: "orders", partition: 1, replicas: [3, 1] },
            { topic: "orders", partition: 0, replicas: null },
            { topic: "other", partition: 0, replicas: [2] },
          ],
          options: { timeoutMs: 5, validateOnly: false, mayChangeReplicationFactor: version === 0 },
        },
      ]);
    }
  });

  test("does nothing about a partition that is named twice", async () => {
    const controller = new FakeController();
    const twice = [...topics, { name: "other", partitions: [{ partitionIndex: 0, replicas: [1] }] }];
    const request = { timeoutMs: 5, allowReplicationFactorChange: true, topics: twice };
    const { responses } = await answerOf(alterPartitionReassignmentsApi(controller), request, 1);
    expect(responses[1]).toMatchObject({ name: "other", partitions: [{ errorCode: "INVALID_REQUEST" }] });
    expect(controller.calls[0]?.items).toHaveLength(2);
  });

  test("tells partitions apart whose names and numbers look alike", async () => {
    const alike = [
      { name: "a", partitions: [{ partitionIndex: -1, replicas: [1] }] },
      { name: "a-", partitions: [{ partitionIndex: 1, replicas: [1] }] },
    ];
    const request = { timeoutMs: 5, allowReplicationFactorChange: true, topics: alike };
    const { responses } = await answerOf(alterPartitionReassignmentsApi(new FakeController()), request, 1);
    expect(responses).toMatchObject(alike.map(({ name }) => ({ name, partitions: [{ errorCode: "NONE" }] })));
  });

  test("of a broker that is not the controller is refused as a whole", async () => {
    const controller = new FakeController();
    controller.error = "NOT_CONTROLLER";
    const request = { timeoutMs: 5, allowReplicationFactorChange: true, topics };
    expect(await answerOf(alterPartitionReassignmentsApi(controller), request, 1)).toMatchObject({ errorCode: "NOT_CONTROLLER" });
  });
});

describe("ListPartitionReassignments", () => {
  test("lists all of them, or those named, each once", async () => {
    const controller = new FakeController();
    const underWay = { replicas: [2, 3, 1], addingReplicas: [3], removingReplicas: [1] };
    const all = await answerOf(listPartitionReassignmentsApi(controller), { timeoutMs: 5, topics: null }, 0);
    expect(all.topics).toEqual([{ name: "orders", partitions: [0, 1].map((partitionIndex) => ({ partitionIndex, ...underWay })) }]);
    const named = [{ name: "orders", partitionIndexes: [1, 1] }, { name: "other", partitionIndexes: [0] }]; // biome-ignore format: pairs
    const some = await answerOf(listPartitionReassignmentsApi(controller), { timeoutMs: 5, topics: named }, 0);
    expect(some.topics.map(({ name, partitions }) => [name, partitions.length])).toEqual([
      ["orders", 1],
      ["other", 1],
    ]);
  });

  test("says why it cannot", async () => {
    const controller = new FakeController();
    controller.error = "REQUEST_TIMED_OUT";
    const answer = await answerOf(listPartitionReassignmentsApi(controller), { timeoutMs: 5, topics: null }, 0);
    expect(answer).toMatchObject({ errorCode: "REQUEST_TIMED_OUT", topics: [] });
  });
});

describe("IncrementalAlterConfigs", () => {
  const set = (name: string, value: string | null = "1", configOperation = 0) => ({ name, configOperation, value });
  const resource = (resourceType: number, resourceName: string, ...configs: readonly ReturnType<typeof set>[]) => ({
    resourceType,
    resourceName,
    configs,
  });

  test("passes on the changes of topics, brokers and all brokers in every version", async () => {
    for (const version of [0, 1]) {
      const controller = new FakeController();
      controller.errors.set("broker", "INVALID_CONFIG");
      const resources = [
        resource(2, "a", set("x"), set("y", null, 1)),
        resource(4, "3", set("z", "w", 2)),
        resource(4, "", set("z", "w", 3)),
      ];
      const { responses } = await answerOf(incrementalAlterConfigsApi(controller), { resources, validateOnly: true }, version);
      expect(responses.map(({ errorCode, resourceType, resourceName }) => [errorCode, resourceType, resourceName])).toEqual([
        ["NONE", 2, "a"],
        ["INVALID_CONFIG", 4, "3"],
        ["INVALID_CONFIG", 4, ""],
      ]);
      expect(controller.calls[0]?.items).toEqual([
        {
          resource: { kind: "topic", name: "a" },
          operations: [
            { name: "x", operation: "set", value: "1" },
            { name: "y", operation: "delete", value: null },
          ],
          replaceAll: false,
        },
        { resource: { kind: "broker", id: 3 }, operations: [{ name: "z", operation: "append", value: "w" }], replaceAll: false },
        { resource: { kind: "broker", id: null }, operations: [{ name: "z", operation: "subtract", value: "w" }], replaceAll: false },
      ]);
    }
  });

  test("refuses what makes no sense, resource by resource", async () => {
    const controller = new FakeController();
    const resources = [
      resource(2, "twice", set("x")),
      resource(2, "twice", set("y")),
      resource(2, "a", set("x"), set("x")),
      resource(2, "b", set("x", null)),
      resource(2, "c", set("x", "1", 9)),
      resource(4, "one", set("x")),
      resource(8, "1", set("x")),
      resource(2, "good", set("x")),
    ];
    const { responses } = await answerOf(incrementalAlterConfigsApi(controller), { resources, validateOnly: false }, 1);
    expect(responses.map(({ errorCode }) => errorCode)).toEqual([...Array(7).fill("INVALID_REQUEST"), "NONE"]);
    expect(controller.calls[0]?.items).toHaveLength(1);
  });
});

describe("AlterConfigs", () => {
  const resource = (resourceType: number, resourceName: string, ...settings: readonly (readonly [string, string | null])[]) => ({
    resourceType,
    resourceName,
    configs: settings.map(([name, value]) => ({ name, value })),
  });

  test("replaces the settings of topics, brokers and all brokers in every version", async () => {
    for (const version of [0, 1, 2]) {
      const controller = new FakeController();
      const resources = [resource(2, "a", ["x", "1"], ["y", "2"]), resource(4, "3"), resource(4, "", ["z", "w"])];
      const { responses } = await answerOf(alterConfigsApi(controller), { resources, validateOnly: true }, version);
      expect(responses.map(({ errorCode, resourceType, resourceName }) => [errorCode, resourceType, resourceName])).toEqual([
        ["NONE", 2, "a"],
        ["NONE", 4, "3"],
        ["NONE", 4, ""],
      ]);
      expect(controller.calls[0]?.options).toMatchObject({ validateOnly: true });
      expect(controller.calls[0]?.items).toEqual([
        {
          resource: { kind: "topic", name: "a" },
          operations: [
            { name: "x", operation: "set", value: "1" },
            { name: "y", operation: "set", value: "2" },
          ],
          replaceAll: true,
        },
        { resource: { kind: "broker", id: 3 }, operations: [], replaceAll: true },
        { resource: { kind: "broker", id: null }, operations: [{ name: "z", operation: "set", value: "w" }], replaceAll: true },
      ]);
    }
  });

  test("refuses what makes no sense, resource by resource, and says what has no settings here", async () => {
    const controller = new FakeController();
    const resources = [
      resource(2, "twice", ["x", "1"]),
      resource(2, "twice", ["x", "1"]),
      resource(2, "a", ["x", "1"], ["x", "1"]),
      resource(2, "b", ["x", null]),
      resource(4, "one", ["x", "1"]),
      resource(8, "1", ["x", "1"]),
      resource(32, "group", ["x", "1"]),
      resource(77, "?", ["x", "1"]),
      resource(2, "good", ["x", "1"]),
    ];
    const { responses } = await answerOf(alterConfigsApi(controller), { resources, validateOnly: false }, 2);
    expect(responses.map(({ errorCode }) => errorCode)).toEqual([...Array(8).fill("INVALID_REQUEST"), "NONE"]);
    expect(responses[5]?.errorMessage).toContain("loggers");
    expect(responses[6]?.errorMessage).toContain("Groups");
    expect(controller.calls[0]?.items).toHaveLength(1);
  });
});
