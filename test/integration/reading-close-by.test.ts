import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, Consumer, orThrow, Producer } from "../../client/index.ts";
import { kafkajsFor } from "../support/outside/kafkajs-client.ts";
import { Kcat, noKcat } from "../support/outside/kcat.ts";
import { RackedCluster } from "../support/racked-cluster.ts";
import { waitUntil } from "../support/wait-until.ts";

// KIP-392 with real brokers, each in a rack of its own: who says its rack is served by the follower there, byte for byte what the leader has.

let racked: RackedCluster;
let admin: Admin;

beforeAll(async () => {
  racked = await RackedCluster.start();
  admin = new Admin({ bootstrap: racked.cluster.bootstrap });
});

afterAll(async () => {
  await admin?.close();
  await racked?.cluster.stop();
});

const recordsMax = 2_000;
const valueAt = (number: number) => `value ${number} ${"x".repeat(100)}`;

/** Led by broker 1. */
async function filled(topic: string, count = recordsMax): Promise<void> {
  orThrow(await admin.createTopics([{ name: topic, assignment: [[1, 2, 3]] }]));
  await using producer = new Producer({ bootstrap: racked.cluster.bootstrap, lingerMs: 2 });
  await Promise.all(Array.from({ length: count }, (_, number) => producer.send({ topic, value: valueAt(number) })));
}

/** All of it came from this broker, so often; nothing from the others. */
async function expectServedBy(broker: number, topic: string, times = 1): Promise<void> {
  await waitUntil("the metrics show it", async () => (await racked.sentBy(broker, topic)) >= times * recordsMax * 100);
  const others = [1, 2, 3].filter((id) => id !== broker).map((id) => racked.sentBy(id, topic));
  expect(await Promise.all(others)).toEqual([0, 0]);
}

describe("who says its rack reads from the follower there", () => {
  test("our consumer", async () => {
    const topic = "ours";
    await filled(topic);
    await using consumer = new Consumer({ bootstrap: racked.cluster.bootstrap, rack: "r2", stopAtEnd: true });
    await consumer.assign([{ topic, from: "beginning" }]);
    const values: string[] = [];
    for await (const { value } of consumer) values.push(String(value));
    expect(values).toEqual(Array.from({ length: recordsMax }, (_, number) => valueAt(number)));
    await expectServedBy(2, topic);
  });

  test.skipIf(noKcat !== null)("kcat (librdkafka)", async () => {
    const topic = "of-kcat";
    await filled(topic);
    const records = await new Kcat(racked.cluster.bootstrap).read(["-t", topic, "-o", "beginning", "-X", "client.rack=r3"]);
    expect(records.map(({ value }) => String(value))).toEqual(Array.from({ length: recordsMax }, (_, number) => valueAt(number)));
    await expectServedBy(3, topic);
  });

  test("kafkajs", async () => {
    const topic = "of-kafkajs";
    await filled(topic);
    const consumer = kafkajsFor(racked.cluster.bootstrap).consumer({ groupId: "close", rackId: "r2", maxWaitTimeInMs: 100 });
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    const values: string[] = [];
    await consumer.run({ eachMessage: async ({ message }) => void values.push(String(message.value)) });
    await waitUntil("kafkajs has read all", async () => values.length >= recordsMax);
    await consumer.disconnect();
    expect(values).toEqual(Array.from({ length: recordsMax }, (_, number) => valueAt(number)));
    await expectServedBy(2, topic);
  });

  test("the leader itself where it is the closest, or the rack has nobody", async () => {
    const topic = "led-here";
    await filled(topic);
    for (const rack of ["r1", "nowhere"]) {
      await using consumer = new Consumer({ bootstrap: racked.cluster.bootstrap, rack, stopAtEnd: true });
      await consumer.assign([{ topic, from: "beginning" }]);
      let count = 0;
      for await (const _record of consumer) count++;
      expect(count).toBe(recordsMax);
    }
    await expectServedBy(1, topic, 2);
  });
});
