import { ConfigResourceTypes, Admin as PlatformaticAdmin, Producer, type ProducerOptions, stringSerializers } from "@platformatic/kafka";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { OttlaClient } from "../support/outside/ottla-client.ts";

let cluster: TestCluster;
let admin: PlatformaticAdmin;
let ours: Admin;
let topicCount = 0;

const options = () => ({ clientId: "platformatic", bootstrapBrokers: [...cluster.bootstrap], retries: 2 });

beforeAll(async () => {
  cluster = await TestCluster.start();
  admin = new PlatformaticAdmin(options());
  ours = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  await admin?.close();
  await ours?.close();
  await cluster?.stop();
});

const newName = () => `platformatic-${++topicCount}`;

async function newTopic(partitions = 2): Promise<string> {
  const topic = newName();
  await admin.createTopics({ topics: [topic], partitions, replicas: 3 });
  return topic;
}

/** Its `send` does not look at the producer's own `acks`: each send must say it. */
async function withProducer<T>(
  more: Partial<ProducerOptions<string, string, string, string>>,
  use: (producer: Producer<string, string, string, string>) => Promise<T>,
): Promise<T> {
  const producer = new Producer({ ...options(), serializers: stringSerializers, ...more });
  try {
    return await use(producer);
  } finally {
    await producer.close();
  }
}

const valuesIn = async (topic: string) =>
  (await new OttlaClient(cluster.bootstrap).consume(topic)).map(({ value }) => value?.toString() ?? null);

/** Its errors hold the protocol's inside one another. */
function apiIdsIn(error: unknown): string[] {
  const { apiId, errors, cause } = error as { apiId?: string; errors?: readonly unknown[]; cause?: unknown };
  return [
    ...(apiId === undefined || apiId === null ? [] : [apiId]),
    ...(errors ?? []).flatMap(apiIdsIn),
    ...(cause === undefined ? [] : apiIdsIn(cause)),
  ];
}

async function failureOf(attempt: Promise<unknown>): Promise<string[]> {
  return apiIdsIn(
    await attempt.then(
      () => ({}),
      (reason: unknown) => reason,
    ),
  );
}

describe("@platformatic/kafka's admin", () => {
  test("knows the cluster", async () => {
    const topic = await newTopic(3);
    const metadata = await admin.metadata({ topics: [topic] });
    const own = await ours.describeCluster();
    expect(metadata.id).toBe(own.clusterId);
    expect([...metadata.brokers].map(([id, { host, port }]) => [id, host, port]).toSorted()).toEqual(
      cluster.ids.map((id) => [id, "127.0.0.1", cluster.port(id)]),
    );
    const [described] = orThrow(await ours.describeTopics([topic]));
    expect(
      metadata.topics.get(topic)?.partitions.map(({ leader, leaderEpoch, replicas, isr }) => ({ leader, leaderEpoch, replicas, isr })),
    ).toEqual(described?.partitions.map(({ leader, leaderEpoch, replicas, isr }) => ({ leader, leaderEpoch, replicas, isr })));
  });

  test("creates topics, with settings and as assigned", async () => {
    const topic = newName();
    const [created] = await admin.createTopics({
      topics: [topic],
      partitions: 2,
      replicas: 3,
      configs: [{ name: "retention.ms", value: "777" }],
    });
    expect(created).toMatchObject({ name: topic, partitions: 2, replicas: 3 });
    expect(await admin.listTopics()).toContain(topic);
    expect(await failureOf(admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 }))).toContain("TOPIC_ALREADY_EXISTS");
    expect(await failureOf(admin.createTopics({ topics: ["no spaces"], partitions: 1, replicas: 1 }))).toContain("INVALID_TOPIC_EXCEPTION");
    expect(await failureOf(admin.createTopics({ topics: [newName()], partitions: 1, replicas: 9 }))).toContain(
      "INVALID_REPLICATION_FACTOR",
    );
  });

  test("adds partitions", async () => {
    const topic = await newTopic(1);
    await admin.createPartitions({ topics: [{ name: topic, count: 4, assignments: null }] });
    await expect
      .poll(async () => (await admin.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic)?.partitionsCount)
      .toBe(4);
  });

  test("deletes topics", async () => {
    const topic = await newTopic();
    await admin.deleteTopics({ topics: [topic] });
    await expect.poll(() => admin.listTopics()).not.toContain(topic);
    expect(await failureOf(admin.deleteTopics({ topics: [topic] }))).toContain("UNKNOWN_TOPIC_OR_PARTITION");
  });

  test("describes settings and changes them", async () => {
    const topic = await newTopic();
    const resourceName = topic;
    await admin.incrementalAlterConfigs({
      resources: [
        {
          resourceType: ConfigResourceTypes.TOPIC,
          resourceName,
          configs: [{ name: "max.message.bytes", configOperation: 0, value: "4321" }],
        },
      ],
    });
    const described = async () => {
      const [resource] = await admin.describeConfigs({
        resources: [{ resourceType: ConfigResourceTypes.TOPIC, resourceName, configurationKeys: ["max.message.bytes"] }],
        includeSynonyms: true,
      });
      return resource?.configs;
    };
    await expect.poll(async () => (await described())?.[0]?.value).toBe("4321");
    expect(await described()).toMatchObject([{ name: "max.message.bytes", readOnly: false, isSensitive: false }]);
  });

  test("lists offsets: first, next, by time, and the newest record's", async () => {
    const topic = await newTopic(1);
    const firstMs = 1_700_000_000_000n;
    await withProducer({}, async (producer) => {
      for (const [i, timestamp] of [firstMs, firstMs + 5000n, firstMs + 1000n].entries())
        await producer.send({ acks: -1, messages: [{ topic, partition: 0, value: `${i}`, timestamp }] });
    });
    const offset = async (timestamp: bigint) => {
      const [listed] = await admin.listOffsets({ topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }] });
      return listed?.partitions[0];
    };
    expect(await offset(-2n)).toMatchObject({ offset: 0n });
    expect(await offset(-1n)).toMatchObject({ offset: 3n });
    expect(await offset(-3n)).toMatchObject({ offset: 1n, timestamp: firstMs + 5000n });
    expect(await offset(firstMs + 1n)).toMatchObject({ offset: 1n, timestamp: firstMs + 5000n });
    expect(await offset(firstMs + 6000n)).toMatchObject({ offset: -1n });
  });
});

describe("@platformatic/kafka's producer", () => {
  test.each([-1, 1])("is told where its records are, with acks=%s", async (acks) => {
    const topic = await newTopic(1);
    await withProducer({}, async (producer) => {
      const { offsets: first } = await producer.send({
        acks,
        messages: [
          { topic, value: "a" },
          { topic, value: "b" },
        ],
      });
      expect(first).toEqual([{ topic, partition: 0, offset: 0n }]);
      const { offsets: second } = await producer.send({ acks, messages: [{ topic, key: "k", value: "c", headers: { h: "1" } }] });
      expect(second).toEqual([{ topic, partition: 0, offset: 2n }]);
    });
    await expect.poll(() => valuesIn(topic)).toEqual(["a", "b", "c"]);
  });

  test("sends with acks=0, which nobody answers", async () => {
    const topic = await newTopic(1);
    await withProducer({}, (producer) => producer.send({ acks: 0, messages: [{ topic, value: "x" }] }));
    await expect.poll(() => valuesIn(topic)).toEqual(["x"]);
  });

  test("is told that a record is too large", async () => {
    const topic = newName();
    await admin.createTopics({ topics: [topic], partitions: 1, replicas: 3, configs: [{ name: "max.message.bytes", value: "1000" }] });
    await withProducer({}, async (producer) => {
      expect(await failureOf(producer.send({ messages: [{ topic, value: "x".repeat(2000) }] }))).toContain("MESSAGE_TOO_LARGE");
    });
    expect(await valuesIn(topic)).toEqual([]);
  });

  test("creates a missing topic by writing to it, where it asks for that", async () => {
    const topic = newName();
    await withProducer({ autocreateTopics: true }, (producer) => producer.send({ acks: -1, messages: [{ topic, value: "first" }] }));
    expect(await valuesIn(topic)).toEqual(["first"]);
  });
});
