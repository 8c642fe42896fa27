import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow, Producer } from "../../../client/index.ts";
import { recordFromLine } from "../../support/outside/outside-client.ts";
import { prepareJava } from "../../support/outside/program-client.ts";
import { RackedCluster } from "../../support/racked-cluster.ts";
import { waitUntil } from "../../support/wait-until.ts";

// KIP-392 with Apache Kafka's own consumer: tested where it can be had, skipped with the reason where not.
const { missing, program } = await prepareJava();
const title = missing === null ? "Apache Kafka's consumer" : `Apache Kafka's consumer: ${missing}`;

describe.skipIf(missing !== null)(title, () => {
  let racked: RackedCluster;

  beforeAll(async () => {
    racked = await RackedCluster.start();
  });

  afterAll(async () => {
    await racked?.cluster.stop();
  });

  test("reads from the follower of its rack", async () => {
    const { bootstrap } = racked.cluster;
    const topic = "of-java";
    await using admin = new Admin({ bootstrap });
    orThrow(await admin.createTopics([{ name: topic, assignment: [[1, 2, 3]] }]));
    await using producer = new Producer({ bootstrap, lingerMs: 2 });
    const values = Array.from({ length: 2_000 }, (_, number) => `value ${number} ${"x".repeat(100)}`);
    await Promise.all(values.map((value) => producer.send({ topic, value })));
    const printed = await program!.run(bootstrap, ["consume", topic, "r3"]);
    const lines = printed.split("\n").filter((line) => line !== "");
    expect(lines.map((line) => String(recordFromLine(line).value))).toEqual(values);
    await waitUntil("the metrics show it", async () => (await racked.sentBy(3, topic)) >= 200_000);
    expect([await racked.sentBy(1, topic), await racked.sentBy(2, topic)]).toEqual([0, 0]);
  });
});
