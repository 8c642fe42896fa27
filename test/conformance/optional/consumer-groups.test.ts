import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow, Producer } from "../../../client/index.ts";
import { apis } from "../../../protocol/messages/apis.ts";
import { TestCluster } from "../../support/cluster.ts";
import { CoordinatorConnection } from "../../support/group/raw-group.ts";
import { recordFromLine } from "../../support/outside/outside-client.ts";
import { confluentKafkaOf39, type Program, prepareJava, preparePython } from "../../support/outside/program-client.ts";
import { waitUntil } from "../../support/wait-until.ts";

// The clients that speak the new group protocol (KIP-848), where they can be had.
const [java, python, newPython, newJava] = await Promise.all([
  prepareJava(),
  preparePython(confluentKafkaOf39),
  preparePython(),
  prepareJava("PatternClient"),
]);
const pairs = [
  { name: "two of Apache Kafka's Java client", members: [java, java] },
  { name: "two of confluent-kafka (librdkafka)", members: [python, python] },
  { name: "one of each", members: [java, python] },
  { name: "two of today's confluent-kafka, which make their ids themselves", members: [newPython, newPython] },
  {
    name: "two of today's confluent-kafka, by an expression",
    members: [newPython, newPython],
    subscription: (topic: string) => `^${topic}.*`,
  },
  {
    name: "two of Apache Kafka's Java client of version 4, by an expression",
    members: [newJava, newJava],
    subscription: (topic: string) => `${topic}(-.*)?`,
  },
].map((pair) => ({
  subscription: (topic: string) => topic,
  ...pair,
  missing: pair.members.find(({ missing }) => missing !== null)?.missing ?? null,
}));

const partitionCount = 4;
const recordsPerPartition = 50;

let cluster: TestCluster;

beforeAll(async () => {
  if (pairs.every(({ missing }) => missing !== null)) return;
  cluster = await TestCluster.start({
    settings: { "group.consumer.min.heartbeat.interval.ms": 100, "group.consumer.heartbeat.interval.ms": 300 },
  });
});

afterAll(async () => {
  await cluster?.stop();
});

async function describeGroup(coordinator: CoordinatorConnection, groupId: string) {
  const api = apis.consumerGroupDescribe;
  const body = { groupIds: [groupId], includeAuthorizedOperations: false };
  const { groups } = await coordinator.ask(api, 0, body, ({ groups: [group] }) => group?.errorCode ?? "");
  return groups[0]!;
}

/** So that every partition has its records, and then one that says it was the last. */
async function fill(topic: string): Promise<void> {
  await using producer = new Producer({ bootstrap: cluster.bootstrap });
  for (let index = 0; index <= recordsPerPartition; index++) {
    const value = index === recordsPerPartition ? "end" : `value-${index}`;
    await Promise.all(Array.from({ length: partitionCount }, (_, partition) => producer.send({ topic, partition, value })));
  }
}

describe.each(pairs.map((pair, index) => [pair.missing === null ? pair.name : `${pair.name}: ${pair.missing}`, pair, index] as const))(
  "%s",
  (_title, { members, missing, subscription }, index) => {
    test.skipIf(missing !== null)("share a topic under the new protocol: half of the partitions each, every record once", async () => {
      const [topic, groupId] = [`shared-${index}`, `group-${index}`];
      await using admin = new Admin({ bootstrap: cluster.bootstrap });
      orThrow(await admin.createTopics([{ name: topic, partitions: partitionCount }]));
      const args = ["share", subscription(topic), groupId, String(partitionCount / members.length)];
      const running = members.map(({ program }) => (program as Program).run(cluster.bootstrap, args));
      const failed = Promise.all(running).then(() => null);

      const coordinator = new CoordinatorConnection(cluster, groupId);
      const stable = waitUntil("both to have half of the partitions", async () => {
        const { groupState, members: described } = await describeGroup(coordinator, groupId);
        const counts = described.map(({ assignment }) => assignment.topicPartitions.flatMap(({ partitions }) => partitions).length);
        const byExpression = described.filter(({ subscribedTopicRegex }) => subscribedTopicRegex !== null).length;
        return groupState === "Stable" && counts.join() === "2,2" && byExpression === (subscription(topic) === topic ? 0 : 2);
      });
      await Promise.race([stable, failed]);
      await fill(topic);

      const printed = await Promise.all(running);
      const read = printed.map((text) =>
        text
          .split("\n")
          .filter((line) => line !== "")
          .map(recordFromLine),
      );
      for (const records of read) expect(new Set(records.map(({ partition }) => partition)).size).toBe(2);
      const places = read.flat().map(({ partition, offset }) => `${partition}/${offset}`);
      expect(new Set(places).size, "no record twice").toBe(places.length);
      expect(places).toHaveLength(partitionCount * (recordsPerPartition + 1));
      // well before their sessions would end
      await waitUntil("both to have left", async () => (await describeGroup(coordinator, groupId)).groupState === "Empty");
      coordinator.close();
    });
  },
);
