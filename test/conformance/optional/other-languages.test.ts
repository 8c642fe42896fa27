import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow, Producer } from "../../../client/index.ts";
import { TestCluster } from "../../support/cluster.ts";
import { type Exchanged, expectExchanged, writeTopic } from "../../support/outside/exchange.ts";
import { OttlaClient } from "../../support/outside/ottla-client.ts";
import type { OutsideClient } from "../../support/outside/outside-client.ts";
import { ProgramClient, prepareGo, prepareJava, prepareOlderSarama, preparePython } from "../../support/outside/program-client.ts";

// Clients that no package of ours brings along: tested where they can be had, skipped with the reason where not.
const [java, python, go, sarama] = await Promise.all([prepareJava(), preparePython(), prepareGo(), prepareOlderSarama()]);

const clients = [
  { name: "java", what: "Apache Kafka's Java client", ...java, cannotSend: {} },
  { name: "python", what: "confluent-kafka (librdkafka)", ...python, cannotSend: {} },
  { name: "go", what: "franz-go", ...go, cannotSend: {} },
];
const title = ({ what, missing }: (typeof clients)[number]) => (missing === null ? what : `${what}: ${missing}`);

let cluster: TestCluster;
const written = new Map<string, Exchanged>();

beforeAll(async () => {
  if ([...clients, sarama].every(({ missing }) => missing !== null)) return;
  cluster = await TestCluster.start();
  const ours = new OttlaClient(cluster.bootstrap);
  written.set(ours.name, await writeTopic(cluster, ours));
});

afterAll(async () => {
  await cluster?.stop();
});

function clientOf({ name, program, cannotSend }: (typeof clients)[number]): OutsideClient {
  if (program === null) throw new Error("was to be skipped");
  return new ProgramClient(name, program, cluster.bootstrap, cannotSend);
}

describe.each(clients.map((client) => [title(client), client] as const))("%s", (_title, client) => {
  test.skipIf(client.missing !== null)("writes with every codec, stored as it came, read back by our client", async () => {
    const writer = clientOf(client);
    const exchanged = await writeTopic(cluster, writer);
    written.set(writer.name, exchanged);
    expectExchanged(await new OttlaClient(cluster.bootstrap).consume(exchanged.topic), exchanged);
  });

  test.skipIf(client.missing !== null)("reads what our client wrote, and what the others did", async () => {
    const reader = clientOf(client);
    expect(written.size).toBeGreaterThan(0);
    for (const exchanged of written.values()) {
      const found = (await reader.consume?.(exchanged.topic, exchanged.partitions)) ?? [];
      expectExchanged(found, exchanged);
    }
  });
});

describe(sarama.missing === null ? "sarama as it was in 2020" : `sarama as it was in 2020: ${sarama.missing}`, () => {
  test.skipIf(sarama.missing !== null)("commits and reads positions and offsets in the oldest versions", async () => {
    const [topic, group] = ["by-older-sarama", "older-sarama"];
    const run = async (...args: string[]) => (await sarama.program?.run(cluster.bootstrap, args)) ?? "";
    await using ours = new Admin({ bootstrap: cluster.bootstrap });
    orThrow(await ours.createTopics([{ name: topic, partitions: 2, replicationFactor: 3 }]));
    await using producer = new Producer({ bootstrap: cluster.bootstrap });
    for (let i = 0; i < 7; i++) await producer.send({ topic, partition: 1, value: `${i}` });
    const position = () => ours.listGroupOffsets(group);
    expect(await run("offsets", topic, "1")).toBe("0\n7\n");
    expect(await position(), "and the group's coordinator serves").toEqual([]);
    await run("commit", group, topic, "1", "5", "by its offset manager");
    expect(await run("positions", group, topic, "1")).toBe("5\tby its offset manager\n".repeat(2));
    expect(await position()).toMatchObject([{ topic, partition: 1, offset: 5, metadata: "by its offset manager" }]);
    await run("commit0", group, topic, "1", "6", "to where ZooKeeper was");
    expect(await position()).toMatchObject([{ topic, partition: 1, offset: 6, metadata: "to where ZooKeeper was" }]);
    expect(await run("positions", group, topic, "0"), "nothing committed").toBe("-1\t\n".repeat(2));
  });
});

describe(java.missing === null ? "Apache Kafka's Java admin client" : `Apache Kafka's Java admin client: ${java.missing}`, () => {
  test.skipIf(java.missing !== null)("finds, creates, changes and deletes as on Apache Kafka", async () => {
    const topic = "by-java-admin";
    const printed = (await java.program?.run(cluster.bootstrap, ["admin", topic])) ?? "";
    const lines = printed
      .trimEnd()
      .split("\n")
      .map((line) => line.split("\t") as [string, string]);
    const answers = Object.fromEntries(lines);
    await using ours = new Admin({ bootstrap: cluster.bootstrap });
    const own = await ours.describeCluster();
    const partitions = lines.filter(([question]) => question === "partition").map(([, answer]) => answer);
    expect(partitions).toHaveLength(4);
    for (const [index, partition] of partitions.entries())
      expect(partition).toMatch(new RegExp(`^${index} leader \\d replicas \\[\\d, \\d, \\d\\] isr \\[\\d, \\d, \\d\\]$`));
    expect(answers).toMatchObject({
      cluster: own.clusterId,
      controller: String(own.controllerId),
      nodes: `[${cluster.ids.map((id) => `${id}@${cluster.address(id)}`).join(", ")}]`,
      created: "3 3 1234567",
      topicId: "true",
      again: "TopicExistsException",
      tooMany: "InvalidReplicationFactorException",
      listed: "true",
      config: "54321 DYNAMIC_TOPIC_CONFIG false",
      synonyms:
        "[max.message.bytes=54321 DYNAMIC_TOPIC_CONFIG, message.max.bytes=777777 DYNAMIC_DEFAULT_BROKER_CONFIG, message.max.bytes=1048588 DEFAULT_CONFIG]",
      documented: "true",
      ofAllBrokers: "[message.max.bytes=777777 DYNAMIC_DEFAULT_BROKER_CONFIG]",
      appended: "delete,compact",
      badConfig: "InvalidConfigurationException",
      earliest: "0 -1 0",
      latest: "3 -1 0",
      max: "1 1700000009000 0",
      time: "1 1700000009000 0",
      consumerTime: "1 1700000009000",
      logDir: `${cluster.dataDirectory(1)} null true 0 false`,
      replicaDir: cluster.dataDirectory(1),
      noSuchDir: "LogDirNotFoundException",
      noSuchReplica: "ReplicaNotAvailableException",
      elect: "ElectionNotNeededException",
      deleted: "UnknownTopicOrPartitionException",
    });
  });
});
