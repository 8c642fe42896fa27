import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Admin, Consumer, orThrow, Producer, type RecordMetadata, stringSerde } from "../../client/index.ts";
import { becomesBalanced } from "../support/calm.ts";
import { TestCluster } from "../support/cluster.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Of the brokers of TestCluster. */
const sessionTimeoutMs = 2_000;
/** For the client to notice, ask and move; and for a busy machine. */
const noticeMs = 2_500;
let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  cluster = await TestCluster.start({ settings: { "auto.leader.rebalance.enable": false } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

afterEach(async () => {
  for (const id of cluster.ids) cluster.resume(id);
  await waitUntil("all in-sync sets to be whole", async () =>
    (await admin.listTopics()).every(({ partitions }) => partitions.every(({ isr, replicas }) => isr.length === replicas.length)),
  );
});

async function controllerId(): Promise<number> {
  return (await admin.describeCluster()).controllerId;
}

/** One partition for each broker to lead. One that hung in the test before is trusted with a leadership after some seconds only. */
async function createTopic(name: string): Promise<void> {
  const [a = 1, b = 2, c = 3] = cluster.ids;
  orThrow(
    await admin.createTopics([
      {
        name,
        assignment: [
          [a, b, c],
          [b, c, a],
          [c, a, b],
        ],
      },
    ]),
  );
  await becomesBalanced(admin, name);
}

describe.each(["the controller", "another broker"])("when %s stops, its connections still open", (who) => {
  test("records in flight are acknowledged, and the consumer goes on, within the session timeout and a moment", async () => {
    const topic = who.replaceAll(" ", "-");
    await createTopic(topic);
    const controller = await controllerId();
    const victim = who === "the controller" ? controller : (cluster.ids.find((id) => id !== controller) ?? 0);
    await using producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde });
    await using consumer = new Consumer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde });
    await consumer.assign([{ topic, from: "beginning" }]);
    const seen = new Map<string, number>();
    const reading = (async () => {
      for await (const { value } of consumer) seen.set(value ?? "", performance.now());
    })();
    const consumerHas = (count: number) => {
      if (seen.size < count) throw new Error(`it has ${seen.size}: ${[...seen.keys()]}; ${JSON.stringify(consumer.assignment())}`);
      return true;
    };
    const sendRound = (round: number) =>
      Promise.all(cluster.ids.map((id) => producer.send({ topic, partition: id - 1, value: `${id}:${round}` })));
    for (let round = 0; round < 20; round++) await sendRound(round);
    await waitUntil("the consumer to have all of it", () => consumerHas(60));

    cluster.pause(victim);
    const stoppedAtMs = performance.now();
    const sent: RecordMetadata[] = await sendRound(20);
    const acknowledgedMs = performance.now() - stoppedAtMs;
    await waitUntil("the consumer to go on", () => cluster.ids.every((id) => seen.has(`${id}:20`)), { pauseMs: 10 });
    const consumedMs = performance.now() - stoppedAtMs;
    console.log(`${who} stopped: acknowledged after ${acknowledgedMs.toFixed()} ms, consumed after ${consumedMs.toFixed()} ms`);

    expect(sent[victim - 1]?.attempts).toBeGreaterThan(1);
    expect(acknowledgedMs).toBeLessThan(sessionTimeoutMs + noticeMs);
    expect(consumedMs).toBeLessThan(sessionTimeoutMs + noticeMs);
    // a new client does not know which broker is stopped: it may ask that one first
    await using newcomer = new Admin({ bootstrap: `${cluster.address(victim)},${cluster.bootstrap.join(",")}` });
    const beganAtMs = performance.now();
    await newcomer.listTopics();
    expect(performance.now() - beganAtMs).toBeLessThan(noticeMs);
    cluster.resume(victim);
    for (let round = 21; round < 30; round++) await sendRound(round);
    await waitUntil("the consumer to have the rest", () => consumerHas(90));
    await cluster.replicasIdentical(topic);
    await consumer.close();
    await reading;
  });
});

test("a consumer that begins while a leader hangs reads what the others lead at once", async () => {
  const topic = "half-there";
  await createTopic(topic);
  await using producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde });
  for (const id of cluster.ids) await producer.send({ topic, partition: id - 1, value: `${id}` });
  const victim = cluster.ids.find((id) => id !== 1) ?? 0;
  cluster.pause(victim);
  const beganAtMs = performance.now();
  await using consumer = new Consumer({ bootstrap: cluster.address(1), valueSerde: stringSerde });
  await consumer.assign([{ topic, from: "beginning" }]);
  const afterMs: number[] = [];
  for await (const _record of consumer) if (afterMs.push(performance.now() - beganAtMs) === 3) break;
  console.log(`records after ${afterMs.map((ms) => ms.toFixed()).join(", ")} ms`);
  expect(afterMs[1]).toBeLessThan(1_500);
  expect(afterMs[2]).toBeLessThan(sessionTimeoutMs + noticeMs);
});
