import { describe, expect, test } from "vitest";
import { describeTopicPartitionsApi } from "../../../broker/api/describe-topic-partitions.ts";
import { metadataApi, type TopicAutoCreation } from "../../../broker/api/metadata.ts";
import type { Beginning } from "../../../broker/api/topic-maker.ts";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import type { MetadataRequest } from "../../../protocol/messages/metadata.ts";
import { answerOf, broker, Images, image, partition, topic, topicId } from "./fixtures.ts";

const ordersId = topicId("o");
const images = new Images(
  image([
    topic("orders", ordersId, [partition(0), partition(1, { leader: 2, leaderEpoch: 6 })]),
    topic("__consumer_offsets", topicId("c")),
  ]),
);

function creation(isEnabled: boolean, beginning: Beginning = "begun"): TopicAutoCreation & { readonly begun: string[] } {
  const begun: string[] = [];
  const begin = (name: string) => {
    begun.push(name);
    return beginning;
  };
  return { isEnabled, begun, begin };
}

function request(topics: readonly (string | { readonly id: string })[] | null, more: Partial<MetadataRequest> = {}): MetadataRequest {
  return {
    topics: topics?.map((one) => (typeof one === "string" ? { name: one, topicId: zeroTopicId } : { name: null, topicId: one.id })) ?? null,
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
    includeReasons: false,
    ...more,
  };
}

const api = metadataApi(images, creation(false));

describe("Metadata", () => {
  test("describes brokers, controller and a topic by name in every version", async () => {
    for (let version = 0; version <= 12; version++) {
      const response = await answerOf(api, request(["orders"]), version);
      expect(response.brokers).toEqual([
        { nodeId: 1, host: "public-1", port: 9001, rack: version >= 1 ? "r1" : null },
        { nodeId: 2, host: "public-2", port: 9002, rack: null },
      ]);
      expect(response.controllerId).toBe(version >= 1 ? 2 : -1);
      expect(response.clusterId).toBe(version >= 2 ? "test-cluster" : null);
      expect(response.topics).toHaveLength(1);
      expect(response.topics[0]).toMatchObject({ errorCode: "NONE", name: "orders", topicId: version >= 10 ? ordersId : zeroTopicId });
      expect(response.topics[0]?.partitions[1]).toEqual({
        errorCode: "NONE",
        partitionIndex: 1,
        leaderId: 2,
        leaderEpoch: version >= 7 ? 6 : -1,
        replicaNodes: [1, 2],
        isrNodes: [1, 2],
        offlineReplicas: [],
        offlineReasons: [],
        addingReplicas: [],
        removingReplicas: [],
      });
    }
  });

  test("an empty list means all topics in version 0 and none from 1 on, where null means all", async () => {
    const names = async (topics: readonly string[] | null, version: number) =>
      (await answerOf(api, request(topics), version)).topics.map(({ name, isInternal }) => `${name} ${isInternal}`);
    expect(await names([], 0)).toEqual(["orders false", "__consumer_offsets false"]);
    expect(await names([], 1)).toEqual([]);
    expect(await names(null, 1)).toEqual(["orders false", "__consumer_offsets true"]);
  });

  test("finds topics by id from version 12 on, and refuses ids before", async () => {
    const asked = request([{ id: ordersId }, { id: topicId("x") }]);
    const at12 = await answerOf(api, asked, 12);
    expect(at12.topics.map(({ errorCode, name, topicId: id }) => [errorCode, name, id])).toEqual([
      ["NONE", "orders", ordersId],
      ["UNKNOWN_TOPIC_ID", null, topicId("x")],
    ]);
    expect((await answerOf(api, asked, 10)).topics.map(({ errorCode }) => errorCode)).toEqual(["INVALID_REQUEST", "INVALID_REQUEST"]);
  });

  test("creates a missing topic when broker and request allow it, and says that its leader is to come", async () => {
    const both = creation(true);
    const codes = async (autoCreation: TopicAutoCreation, allowAutoTopicCreation: boolean, name = "new", version = 9) =>
      (await answerOf(metadataApi(images, autoCreation), request([name], { allowAutoTopicCreation }), version)).topics[0]?.errorCode;
    expect(await codes(both, true)).toBe("LEADER_NOT_AVAILABLE");
    expect(await codes(both, false, "other")).toBe("UNKNOWN_TOPIC_OR_PARTITION");
    expect(await codes(both, false, "old-client", 3)).toBe("LEADER_NOT_AVAILABLE"); // versions before 4 always allow it
    expect(await codes(both, true, "bad name")).toBe("INVALID_TOPIC_EXCEPTION");
    expect(both.begun).toEqual(["new", "old-client"]);
    expect(await codes(creation(true, "not-begun"), true)).toBe("UNKNOWN_TOPIC_OR_PARTITION");
    const disabled = creation(false);
    expect(await codes(disabled, true)).toBe("UNKNOWN_TOPIC_OR_PARTITION");
    expect(disabled.begun).toEqual([]);
  });

  test("says why a topic could not be created, in words to those who ask for them", async () => {
    const refusal = { error: "INVALID_REPLICATION_FACTOR", message: "A replication factor of 3 needs 3 live brokers." } as const;
    const some = metadataApi(images, creation(true, refusal));
    const told = async (version: number, includeReasons: boolean) =>
      (await answerOf(some, request(["new"], { allowAutoTopicCreation: true, includeReasons }), version)).topics[0];
    for (const version of [4, 9, 12])
      expect(await told(version, false)).toMatchObject({ errorCode: "INVALID_REPLICATION_FACTOR", errorMessage: null, partitions: [] });
    expect((await told(12, true))?.errorMessage).toBe("it cannot be created now: a replication factor of 3 needs 3 live brokers");
    expect((await told(4, true))?.errorMessage, "before tags").toBe(null);
  });

  test("names no leader of a partition just made before it serves", async () => {
    const first = { leader: 1, leaderEpoch: 0 };
    const topics = [
      topic("orders", ordersId, [partition(0, first), partition(1, { ...first, leader: 2 }), partition(2, { ...first, leaderEpoch: 1 })]),
    ];
    const startingLeaders = [{ brokerId: 1, topicId: ordersId, fromPartition: 0 }];
    const some = metadataApi(new Images(image(topics, { startingLeaders })), creation(false));
    const listed = async (version: number) => (await answerOf(some, request(["orders"]), version)).topics[0]?.partitions ?? [];
    for (const version of [1, 12])
      expect((await listed(version)).map(({ errorCode, leaderId }) => [errorCode, leaderId])).toEqual([
        ["LEADER_NOT_AVAILABLE", -1],
        ["NONE", 2],
        ["NONE", 1],
      ]);
  });

  test("tells a dead leader from one that the listener's clients cannot reach", async () => {
    const brokers = new Map([
      [1, broker(1)],
      [2, broker(2, ["INSIDE"])],
    ]);
    const topics = [topic("orders", ordersId, [partition(0, { leader: 2 }), partition(1, { leader: 3, replicas: [3, 1] })])];
    const some = metadataApi(new Images(image(topics, { brokers })), creation(false));
    const listed = async (version: number) => (await answerOf(some, request(["orders"]), version)).topics[0]?.partitions ?? [];
    expect((await listed(6)).map(({ errorCode, leaderId, offlineReplicas }) => [errorCode, leaderId, offlineReplicas])).toEqual([
      ["LISTENER_NOT_FOUND", -1, [2]],
      ["LEADER_NOT_AVAILABLE", -1, [3]],
    ]);
    expect((await listed(5)).map(({ errorCode }) => errorCode)).toEqual(["LEADER_NOT_AVAILABLE", "LEADER_NOT_AVAILABLE"]);
    expect((await listed(0)).map(({ replicaNodes }) => replicaNodes)).toEqual([[1], [1]]);
    const { brokers: inside } = await answerOf(some, request([]), 6, { listener: "INSIDE" });
    expect(inside).toEqual([{ nodeId: 2, host: "inside-2", port: 9002, rack: null }]);
  });

  test("what a reassignment adds and removes is told to those who ask for it", async () => {
    const moving = { ...partition(0), replicas: [4, 1, 3], reassignment: { adding: [4, 3], removing: [1, 3] } };
    const some = metadataApi(new Images(image([topic("orders", ordersId, [moving])])), creation(false));
    const listed = async (more: object) => (await answerOf(some, request(["orders"], more), 12)).topics[0]?.partitions[0];
    expect(await listed({})).toMatchObject({ replicaNodes: [4, 1, 3], addingReplicas: [], removingReplicas: [] });
    // 3 was to be added, and is given up
    expect(await listed({ includeReasons: true })).toMatchObject({ addingReplicas: [4], removingReplicas: [1, 3] });
  });

  test("a replica whose log directory failed is listed as offline, though its broker lives", async () => {
    const offlineReplicas = new Map([[2, new Map([[`${ordersId}-1`, "a disk"]])]]);
    const some = metadataApi(
      new Images(image([topic("orders", ordersId, [partition(0), partition(1)])], { offlineReplicas })),
      creation(false),
    );
    const listed = (await answerOf(some, request(["orders"]), 12)).topics[0]?.partitions ?? [];
    expect(listed.map((one) => [one.errorCode, one.offlineReplicas])).toEqual([
      ["NONE", []],
      ["NONE", [2]],
    ]);
    expect(listed.flatMap((one) => one.offlineReasons)).toEqual([]);
    const asked = request(["orders"], { includeReasons: true });
    const explained = (await answerOf(some, asked, 12)).topics[0]?.partitions ?? [];
    expect(explained.map((one) => one.offlineReasons)).toEqual([[], [{ brokerId: 2, reason: "a disk" }]]);
  });

  test("version 0 says when replicas are missing from its lists", async () => {
    const topics = [topic("orders", ordersId, [partition(0, { replicas: [1, 2, 3] })])];
    const some = metadataApi(new Images(image(topics)), creation(false));
    expect((await answerOf(some, request(["orders"]), 0)).topics[0]?.partitions[0]?.errorCode).toBe("REPLICA_NOT_AVAILABLE");
    expect((await answerOf(some, request(["orders"]), 1)).topics[0]?.partitions[0]?.errorCode).toBe("NONE");
  });

  test("tells the allowed operations only when asked", async () => {
    const asked = request(["orders"], { includeTopicAuthorizedOperations: true, includeClusterAuthorizedOperations: true });
    const told = await answerOf(api, asked, 8);
    expect([told.topics[0]?.topicAuthorizedOperations, told.clusterAuthorizedOperations]).toEqual([3576, 8096]);
    const quiet = await answerOf(api, request(["orders"]), 8);
    expect([quiet.topics[0]?.topicAuthorizedOperations, quiet.clusterAuthorizedOperations]).toEqual([-(2 ** 31), -(2 ** 31)]);
  });
});

describe("DescribeTopicPartitions", () => {
  const paged = new Images(
    image([
      topic(
        "b",
        topicId("b"),
        [0, 1, 2].map((number) => partition(number)),
      ),
      topic(
        "a",
        topicId("a"),
        [0, 1].map((number) => partition(number)),
      ),
      topic("c", topicId("c")),
    ]),
  );
  const describeApi = describeTopicPartitionsApi(paged);
  const page = async (limit: number, cursor: { topicName: string; partitionIndex: number } | null, topics: readonly string[] = []) => {
    const named = topics.map((name) => ({ name }));
    const { topics: listed, nextCursor } = await answerOf(describeApi, { topics: named, responsePartitionLimit: limit, cursor }, 0);
    const told = listed.map(({ name, errorCode, partitions }) =>
      errorCode === "NONE" ? `${name}:${partitions.map(({ partitionIndex }) => partitionIndex)}` : `${name}:${errorCode}`,
    );
    return { told, nextCursor };
  };

  test("pages through all topics by name without losing or repeating a partition", async () => {
    expect(await page(100, null)).toEqual({ told: ["a:0,1", "b:0,1,2", "c:0"], nextCursor: null });
    for (let limit = 1; limit <= 6; limit++) {
      const seen: string[] = [];
      let cursor: { topicName: string; partitionIndex: number } | null = null;
      do {
        const { told, nextCursor }: Awaited<ReturnType<typeof page>> = await page(limit, cursor);
        for (const one of told) {
          const [name, numbers = ""] = one.split(":");
          if (numbers !== "") seen.push(...numbers.split(",").map((number) => `${name}${number}`));
        }
        cursor = nextCursor;
      } while (cursor !== null);
      expect(seen, `limit ${limit}`).toEqual(["a0", "a1", "b0", "b1", "b2", "c0"]);
    }
  });

  test("says which of the named topics there are not", async () => {
    expect((await page(100, null, ["c", "nope", "bad name"])).told).toEqual([
      "bad name:INVALID_TOPIC_EXCEPTION",
      "c:0",
      "nope:UNKNOWN_TOPIC_OR_PARTITION",
    ]);
  });

  test("a cursor on a topic that is gone goes on with the next one; a negative partition is refused", async () => {
    expect((await page(100, { topicName: "bb", partitionIndex: 3 })).told).toEqual(["c:0"]);
    expect((await page(100, { topicName: "b", partitionIndex: -1 })).told).toEqual(["b:INVALID_REQUEST"]);
  });
});
