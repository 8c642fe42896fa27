import "../support/outside/kafkajs-patience.ts";
import { ConfigResourceTypes, type Kafka, type KafkaJSProtocolError, type Admin as KafkajsAdmin, Partitioners } from "kafkajs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { kafkajsFor } from "../support/outside/kafkajs-client.ts";
import { OttlaClient } from "../support/outside/ottla-client.ts";

let cluster: TestCluster;
let kafka: Kafka;
let admin: KafkajsAdmin;
let ours: Admin;
let topicCount = 0;

beforeAll(async () => {
  cluster = await TestCluster.start();
  kafka = kafkajsFor(cluster.bootstrap);
  admin = kafka.admin();
  ours = new Admin({ bootstrap: cluster.bootstrap });
  await admin.connect();
});

afterAll(async () => {
  await admin?.disconnect();
  await ours?.close();
  await cluster?.stop();
});

const newName = () => `kafkajs-${++topicCount}`;

async function newTopic(numPartitions = 2): Promise<string> {
  const topic = newName();
  expect(await admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 3 }] })).toBe(true);
  return topic;
}

async function readBack(topic: string): Promise<(readonly [partition: number, key: string | null, value: string | null])[]> {
  const found = await new OttlaClient(cluster.bootstrap).consume(topic);
  return found.map(({ partition, key, value }) => [partition, key?.toString() ?? null, value?.toString() ?? null] as const);
}

const errorTypes = (error: unknown) => {
  const { errors, type } = error as KafkaJSProtocolError & { errors?: readonly KafkaJSProtocolError[] };
  return errors === undefined ? [type] : errors.map((each) => each.type);
};

describe("kafkajs's admin", () => {
  test("creates topics with its own defaults: the brokers' number of partitions and copies", async () => {
    const topic = newName();
    expect(await admin.createTopics({ topics: [{ topic }] })).toBe(true);
    const [created] = (await admin.fetchTopicMetadata({ topics: [topic] })).topics;
    expect(created?.partitions.map(({ replicas }) => replicas.length)).toEqual([3]);
  });

  test("describes the cluster", async () => {
    const described = await admin.describeCluster();
    const own = await ours.describeCluster();
    expect(described.clusterId).toBe(own.clusterId);
    expect(described.controller).toBe(own.controllerId);
    expect(described.brokers.toSorted((a, b) => a.nodeId - b.nodeId)).toEqual(
      cluster.ids.map((id) => ({ nodeId: id, host: "127.0.0.1", port: cluster.port(id) })),
    );
  });

  test("creates topics: spread by itself, as assigned, with settings, or only as a trial", async () => {
    const [spread, assigned, tried] = [newName(), newName(), newName()];
    const [a = 0, b = 0] = cluster.ids;
    await admin.createTopics({
      topics: [
        { topic: spread, numPartitions: 6, replicationFactor: 3, configEntries: [{ name: "max.message.bytes", value: "54321" }] },
        { topic: assigned, replicaAssignment: [{ partition: 0, replicas: [b, a] }] },
      ],
    });
    await admin.createTopics({
      validateOnly: true,
      waitForLeaders: false,
      topics: [{ topic: tried, numPartitions: 1, replicationFactor: 1 }],
    });
    const topics = await admin.listTopics();
    expect(topics).toEqual(expect.arrayContaining([spread, assigned]));
    expect(topics).not.toContain(tried);
    const { topics: described } = await admin.fetchTopicMetadata({ topics: [spread, assigned] });
    const partitionsOf = (name: string) => described.find((of) => of.name === name)?.partitions ?? [];
    expect(partitionsOf(assigned)).toMatchObject([{ partitionId: 0, leader: b, replicas: [b, a], isr: [b, a] }]);
    const leaders = partitionsOf(spread).map(({ leader }) => leader);
    expect(cluster.ids.map((id) => leaders.filter((leader) => leader === id).length)).toEqual([2, 2, 2]);
    expect(partitionsOf(spread).every(({ replicas, isr }) => replicas.length === 3 && isr.length === 3)).toBe(true);
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: spread, configNames: ["max.message.bytes"] }],
    });
    expect(resources[0]?.configEntries).toMatchObject([{ configName: "max.message.bytes", configValue: "54321", isDefault: false }]);
  });

  test("is told what is wrong with a topic", async () => {
    const topic = await newTopic();
    const create = (wrong: object) =>
      admin.createTopics({ waitForLeaders: false, topics: [{ topic: newName(), numPartitions: 1, replicationFactor: 1, ...wrong }] });
    // kafkajs keeps quiet about a topic that is there
    expect(await create({ topic })).toBe(false);
    for (const [wrong, type] of [
      [{ topic: "no spaces" }, "INVALID_TOPIC_EXCEPTION"],
      [{ numPartitions: 0 }, "INVALID_PARTITIONS"],
      [{ replicationFactor: 9 }, "INVALID_REPLICATION_FACTOR"],
      [{ configEntries: [{ name: "max.message.bytes", value: "many" }] }, "INVALID_CONFIG"],
    ] as const) {
      const error = await create(wrong).then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(errorTypes(error)).toEqual([type]);
    }
  });

  test("adds partitions, and is refused to take some away", async () => {
    const topic = await newTopic(2);
    await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] });
    const count = async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions.length;
    await expect.poll(count).toBe(5);
    await expect(admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })).rejects.toMatchObject({ type: "INVALID_PARTITIONS" });
  });

  test("moves partitions to other brokers, and is told what is wrong with a move", async () => {
    const topic = newName();
    const [a = 0, b = 0, c = 0] = cluster.ids;
    await admin.createTopics({ topics: [{ topic, replicaAssignment: [{ partition: 0, replicas: [a, b] }] }] });
    const alter = (replicas: number[], partition = 0) =>
      admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment: [{ partition, replicas }] }] });
    await alter([c, a]);
    const underWay = async () => (await admin.listPartitionReassignments({ topics: [{ topic, partitions: [0] }] })).topics;
    await expect.poll(underWay, { timeout: 20_000 }).toEqual([]);
    // whoever is asked may not have heard of it yet
    const partitions = async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions;
    await expect.poll(partitions).toMatchObject([{ leader: c, replicas: [c, a] }]);
    await expect(alter([99])).rejects.toSatisfy((error) => errorTypes(error)[0] === "INVALID_REPLICA_ASSIGNMENT");
    await expect(alter([a], 7)).rejects.toSatisfy((error) => errorTypes(error)[0] === "UNKNOWN_TOPIC_OR_PARTITION");
  });

  test("deletes topics", async () => {
    const topic = await newTopic();
    await admin.deleteTopics({ topics: [topic] });
    await expect.poll(() => admin.listTopics()).not.toContain(topic);
    await expect(admin.deleteTopics({ topics: [topic], timeout: 1000 })).rejects.toThrow(/does not host this topic-partition/);
  });

  test("describes settings of a topic and of a broker", async () => {
    const topic = await newTopic();
    const [result] = orThrow(
      await ours.incrementalAlterConfigs([{ resource: { topic }, changes: [{ name: "retention.ms", operation: "set", value: "12345" }] }]),
    );
    expect(result).toBeDefined();
    const describeTopic = async () => {
      const { resources } = await admin.describeConfigs({
        includeSynonyms: true,
        resources: [
          { type: ConfigResourceTypes.TOPIC, name: topic, configNames: ["retention.ms"] },
          { type: ConfigResourceTypes.BROKER, name: String(cluster.ids[0]) },
        ],
      });
      return resources;
    };
    await expect.poll(async () => (await describeTopic())[0]?.configEntries[0]?.configValue).toBe("12345");
    const [ofTopic, ofBroker] = await describeTopic();
    expect(ofTopic?.configEntries[0]).toMatchObject({ configName: "retention.ms", readOnly: false, isSensitive: false });
    const brokerSettings = new Map(ofBroker?.configEntries.map(({ configName, configValue }) => [configName, configValue]));
    expect(brokerSettings.get("broker.id")).toBe(String(cluster.ids[0]));
    expect(brokerSettings.get("min.insync.replicas")).toBe("2");
  });

  test("replaces a topic's settings, and is told what is wrong with them", async () => {
    const topic = await newTopic();
    const alter = (...configEntries: { name: string; value: string }[]) =>
      admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }] });
    const ownSettings = async () => {
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
      });
      return resources[0]?.configEntries.filter(({ configSource }) => configSource === 1).map(({ configName }) => configName);
    };
    await alter({ name: "retention.ms", value: "12345" }, { name: "segment.ms", value: "5000" });
    await expect.poll(ownSettings).toEqual(["retention.ms", "segment.ms"]);
    await alter({ name: "cleanup.policy", value: "compact" });
    await expect.poll(ownSettings).toEqual(["cleanup.policy"]);
    await expect(alter({ name: "retention.ms", value: "soon" })).rejects.toMatchObject({ type: "INVALID_CONFIG" });
    expect(await ownSettings()).toEqual(["cleanup.policy"]);
  });

  test("finds a topic's offsets, also by time", async () => {
    const topic = await newTopic(2);
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    for (let i = 0; i < 5; i++)
      await producer.send({ topic, messages: [{ partition: 1, value: `v${i}`, timestamp: String(1_700_000_000_000 + i * 1000) }] });
    await producer.disconnect();
    const sorted = <T extends { partition: number }>(of: readonly T[]) => of.toSorted((a, b) => a.partition - b.partition);
    expect(sorted(await admin.fetchTopicOffsets(topic))).toEqual([
      { partition: 0, offset: "0", high: "0", low: "0" },
      { partition: 1, offset: "5", high: "5", low: "0" },
    ]);
    expect(sorted(await admin.fetchTopicOffsetsByTimestamp(topic, 1_700_000_002_500))).toEqual([
      { partition: 0, offset: "0" },
      { partition: 1, offset: "3" },
    ]);
  });
});

describe("kafkajs's producer", () => {
  test.each([-1, 1])("is told where its records are, with acks=%s", async (acks) => {
    const topic = await newTopic(1);
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    const [first] = await producer.send({ topic, acks, messages: [{ value: "a" }, { value: "b" }] });
    expect(first).toMatchObject({ topicName: topic, partition: 0, errorCode: 0, baseOffset: "0", logStartOffset: "0" });
    const [second] = await producer.send({ topic, acks, messages: [{ key: "k", value: null }] });
    expect(second?.baseOffset).toBe("2");
    await producer.disconnect();
    await expect
      .poll(() => readBack(topic))
      .toEqual([
        [0, null, "a"],
        [0, null, "b"],
        [0, "k", null],
      ]);
  });

  test("sends with acks=0, which nobody answers", async () => {
    const topic = await newTopic(1);
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    await producer.send({ topic, acks: 0, messages: [{ value: "x" }, { value: "y" }] });
    await producer.send({ topic, acks: -1, messages: [{ value: "z" }] });
    await producer.disconnect();
    expect((await readBack(topic)).map(([, , value]) => value)).toEqual(["x", "y", "z"]);
  });

  test("sends to several topics at once, with headers", async () => {
    const [one, two] = [await newTopic(1), await newTopic(1)];
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    await producer.sendBatch({
      topicMessages: [
        { topic: one, messages: [{ value: "1", headers: { a: "x", b: ["y", "z"] } }] },
        { topic: two, messages: [{ value: "2" }] },
      ],
    });
    await producer.disconnect();
    const [record] = await new OttlaClient(cluster.bootstrap).consume(one);
    expect(record?.headers.map(([name, value]) => [name, value?.toString()])).toEqual([
      ["a", "x"],
      ["b", "y"],
      ["b", "z"],
    ]);
    expect(await readBack(two)).toEqual([[0, null, "2"]]);
  });

  test("is told that a record is too large", async () => {
    const topic = newName();
    await admin.createTopics({
      topics: [{ topic, numPartitions: 1, replicationFactor: 3, configEntries: [{ name: "max.message.bytes", value: "1000" }] }],
    });
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    await expect(producer.send({ topic, messages: [{ value: "x".repeat(2000) }] })).rejects.toMatchObject({ type: "MESSAGE_TOO_LARGE" });
    await producer.disconnect();
    expect(await readBack(topic)).toEqual([]);
  });
});
