import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow } from "../../../client/index.ts";
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
