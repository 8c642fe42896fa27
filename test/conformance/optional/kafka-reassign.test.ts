import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow, Producer } from "../../../client/index.ts";
import { TestCluster } from "../../support/cluster.ts";
import { prepareKafkaTool } from "../../support/outside/apache-kafka.ts";
import { makeTestFolder, removeTestFolder } from "../../support/test-folder.ts";

// Apache Kafka's own tool moves partitions of ours: tested where it can be had, skipped with the reason where not.
const tool = await prepareKafkaTool("org.apache.kafka.tools.reassign.ReassignPartitionsCommand");
const { missing } = tool;
const title = missing === null ? "Apache Kafka's ReassignPartitionsCommand" : `Apache Kafka's ReassignPartitionsCommand: ${missing}`;

describe.skipIf(missing !== null)(title, () => {
  let cluster: TestCluster;
  let admin: Admin;
  let folder: string;

  beforeAll(async () => {
    // a broker that is suspected, or whose session is over, would be refused as a new replica: one that is paused soon is
    const settings = { "broker.suspect.timeout.ms": 60_000, "zookeeper.session.timeout.ms": 30_000 };
    [cluster, folder] = await Promise.all([TestCluster.start({ settings }), makeTestFolder("kafka-reassign")]);
    admin = new Admin({ bootstrap: cluster.bootstrap });
  });

  afterAll(async () => {
    await admin?.close();
    await cluster?.stop();
    await removeTestFolder(folder);
  });

  async function run(topic: string, replicas: readonly number[], ...args: string[]): Promise<string> {
    const file = join(folder, `${topic}.json`);
    await writeFile(file, JSON.stringify({ version: 1, partitions: [{ topic, partition: 0, replicas }] }));
    return tool.program!(["--bootstrap-server", cluster.bootstrap.join(), "--reassignment-json-file", file, ...args]);
  }

  test("moves a partition, and finds that it has moved", async () => {
    orThrow(await admin.createTopics([{ name: "moved", assignment: [[1, 2]] }]));
    expect(await run("moved", [3, 1], "--execute")).toMatch(/Successfully started partition reassignment for moved-0/);
    const verify = () => run("moved", [3, 1], "--verify", "--preserve-throttles");
    await expect.poll(verify, { timeout: 60_000, interval: 500 }).toMatch(/Reassignment of partition moved-0 is completed/);
    // it also takes away the limits that it may have set
    expect(await run("moved", [3, 1], "--verify")).toMatch(/Reassignment of partition moved-0 is completed/);
    const [moved] = orThrow(await admin.describeTopics(["moved"]));
    expect(moved?.partitions).toMatchObject([{ leader: 3, replicas: [3, 1] }]);
  });

  /** What is set of throttles, on brokers and the topic. */
  async function throttles(topic: string): Promise<readonly string[]> {
    const names = ["leader", "follower"].flatMap((side) => ["rate", "replicas"].map((what) => `${side}.replication.throttled.${what}`));
    const described = orThrow(await admin.describeConfigs([...cluster.ids.map((broker) => ({ broker })), { topic }], { names }));
    return described.flatMap(({ resource, configs }) =>
      configs
        .filter(({ source, value }) => (source === "dynamic-broker" || source === "topic") && value !== "")
        .map(({ name, value }) => `${"topic" in resource ? resource.topic : resource.broker} ${name}=${value}`),
    );
  }

  const copiedBytes = async (topic: string, broker: number) => {
    const [described] = orThrow(await admin.describeLogDirs([broker]));
    const replicas = described!.directories.flatMap((directory) => directory.replicas);
    return replicas.find((replica) => replica.topic === topic)?.sizeInBytes ?? 0;
  };

  test("throttles a move, which keeps to the rate, and changes the rate; --verify and --cancel take it away", async () => {
    const topic = "throttled";
    const bytes = 20_000_000;
    orThrow(await admin.createTopics([{ name: topic, assignment: [[1, 2]] }]));
    await using producer = new Producer({ bootstrap: cluster.bootstrap });
    for (let sent = 0; sent < bytes; sent += 100_000) await producer.send({ topic, partition: 0, value: Buffer.alloc(100_000, "x") });

    expect(await run(topic, [3, 1], "--execute", "--throttle", "1000000")).toMatch(
      /The inter-broker throttle limit was set to 1000000 B\/s/,
    );
    expect(await throttles(topic)).toEqual(
      expect.arrayContaining([
        "1 leader.replication.throttled.rate=1000000",
        "3 follower.replication.throttled.rate=1000000",
        "throttled leader.replication.throttled.replicas=0:1,0:2",
        "throttled follower.replication.throttled.replicas=0:3",
      ]),
    );
    const measured = async () => {
      const [beganMs, before] = [performance.now(), await copiedBytes(topic, 3)];
      await sleep(3_000);
      return ((await copiedBytes(topic, 3)) - before) / ((performance.now() - beganMs) / 1000);
    };
    const slow = await measured();
    expect(await run(topic, [3, 1], "--execute", "--additional", "--throttle", "2500000")).toMatch(/limit was set to 2500000 B\/s/);
    const faster = await measured();
    console.log(`copied at ${(slow / 1e6).toFixed(2)} MB/s, then at ${(faster / 1e6).toFixed(2)} MB/s`);
    // batches of 100 kB, and what a busy machine adds
    expect(Math.abs(slow / 1_000_000 - 1)).toBeLessThan(0.15);
    expect(Math.abs(faster / 2_500_000 - 1)).toBeLessThan(0.15);

    expect(await run(topic, [3, 1], "--cancel")).toMatch(/Successfully cancelled.* throttled-0/);
    expect(await throttles(topic), "cancelled").toEqual([]);
    await expect.poll(() => admin.listPartitionReassignments()).toEqual([]);

    await run(topic, [3, 1], "--execute", "--throttle", "8000000");
    await expect.poll(() => admin.listPartitionReassignments(), { timeout: 30_000 }).toEqual([]);
    expect(await throttles(topic)).not.toEqual([]);
    expect(await run(topic, [3, 1], "--verify")).toMatch(/Clearing topic-level throttles on topic throttled/);
    expect(await throttles(topic), "verified").toEqual([]);
  }, 120_000);

  test("cancels a move that waits for a broker", async () => {
    const { controllerId } = await admin.describeCluster();
    const [gone = 0, other = 0] = cluster.ids.filter((id) => id !== controllerId);
    const topic = "stuck";
    orThrow(await admin.createTopics([{ name: topic, assignment: [[controllerId, other]] }]));
    cluster.pause(gone);
    orThrow(await admin.alterPartitionReassignments([{ topic, partition: 0, replicas: [gone, controllerId] }]));
    // for as long as it is paused, the tool may wait for it
    await cluster.kill(gone);
    expect(await run(topic, [gone, controllerId], "--cancel", "--preserve-throttles")).toMatch(/Successfully cancelled.* stuck-0/);
    expect(await admin.listPartitionReassignments()).toEqual([]);
    const [stuck] = orThrow(await admin.describeTopics([topic]));
    expect(stuck?.partitions[0]?.replicas.toSorted()).toEqual([controllerId, other].toSorted());
  });
});
