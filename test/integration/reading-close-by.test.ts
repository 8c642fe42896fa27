import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, Consumer, orThrow, Producer } from "../../client/index.ts";
import { kafkajsFor } from "../support/outside/kafkajs-client.ts";
import { Kcat, noKcat } from "../support/outside/kcat.ts";
import { RackedCluster } from "../support/racked-cluster.ts";
import { waitUntil } from "../support/wait-until.ts";

// KIP-392 with real brokers, each in a rack of its own: who says its rack is served by the follower there, byte for byte what the leader
// has.

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
    const kcat = new Kcat(racked.cluster.bootstrap);
    let records: Awaited<ReturnType<Kcat["read"]>> = [];
    // it ends where the follower knows the log to be committed, which may be a moment behind the acknowledgements
    await waitUntil("kcat has read all", async () => {
      records = await kcat.read(["-t", topic, "-o", "beginning", "-X", "client.rack=r3"]);
      return records.length >= recordsMax;
    });
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

describe("while it is read", () => {
  /** Reads from broker 2 for as long as that can be read, and writes meanwhile. */
  async function underLoad(topic: string, during: () => Promise<void>) {
    const { bootstrap } = racked.cluster;
    orThrow(await admin.createTopics([{ name: topic, assignment: [[1, 2, 3]] }]));
    await using producer = new Producer({ bootstrap });
    await using consumer = new Consumer({ bootstrap, rack: "r2", fetchWaitMaxMs: 200 });
    await consumer.assign([{ topic, from: "beginning" }]);
    const brokers: number[] = [];
    consumer.on("fetch", ({ broker, records }) => {
      if (records > 0) brokers.push(broker);
    });
    const values: string[] = [];
    const reading = (async () => {
      for await (const { value } of consumer) {
        values.push(String(value));
        if (values.at(-1) === "last") return;
      }
    })();
    let isOver = false;
    let sent = 0;
    const acknowledged: string[] = [];
    const writing = (async () => {
      while (!isOver) {
        const value = `value ${sent++}`;
        await producer.send({ topic, value });
        acknowledged.push(value);
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
    })();
    await waitUntil("it is read from broker 2", async () => brokers.at(-1) === 2);
    await during();
    isOver = true;
    await writing;
    await producer.send({ topic, value: "last" });
    await reading;
    expect(values, "in order, nothing lost, nothing twice").toEqual([...acknowledged, "last"]);
    return brokers;
  }

  test("the follower dies, comes back, and is read again", async () => {
    const { cluster } = racked;
    const brokers = await underLoad("follower-dies", async () => {
      await cluster.kill(2);
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      await cluster.startBroker(2);
      await waitUntil("broker 2 is in sync", async () => {
        const [described] = orThrow(await admin.describeTopics(["follower-dies"]));
        return described?.partitions[0]?.isr.length === 3;
      });
      await new Promise((resolve) => setTimeout(resolve, 2_000));
    });
    expect(new Set(brokers)).toEqual(new Set([1, 2]));
    expect(brokers.at(-1)).toBe(2);
  });

  test("the leader dies, and the follower leads", async () => {
    const { cluster } = racked;
    await underLoad("leader-dies", async () => {
      await cluster.kill(1);
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      await cluster.startBroker(1);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    });
  });
});
