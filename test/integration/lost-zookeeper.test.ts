import { readdir, readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, Consumer, orThrow, Producer, stringSerde } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { waitUntil } from "../support/wait-until.ts";

let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  cluster = await TestCluster.start();
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

async function filled(topic: string): Promise<void> {
  orThrow(await admin.createTopics([{ name: topic, partitions: 2, replicationFactor: 3 }]));
  await produce(topic, 0, 100);
}

async function produce(topic: string, from: number, to: number): Promise<void> {
  await using producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde, retryBackoffMs: 50 });
  await Promise.all(Array.from({ length: to - from }, (_, i) => producer.send({ topic, value: String(from + i), partition: i % 2 })));
}

async function consumed(topic: string): Promise<number> {
  await using consumer = new Consumer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde, stopAtEnd: true });
  await consumer.assign([{ topic, from: "beginning" }]);
  const values = new Set<string>();
  for await (const { value } of consumer) values.add(value ?? "");
  return values.size;
}

/** Every broker has logged this sentence that often. */
async function allSay(sentence: string, times: number): Promise<void> {
  await waitUntil(
    `every broker says: ${sentence}`,
    async () => {
      const logs = await Promise.all(cluster.ids.map((id) => readFile(cluster.logFile(id), "utf8")));
      return logs.every((log) => log.split(sentence).length > times);
    },
    { timeoutMs: 30_000 },
  );
}

const folders = async () =>
  (await Promise.all(cluster.ids.map((id) => readdir(cluster.dataDirectory(id))))).map((names) =>
    names.filter((name) => /^(keep|late)/.test(name)),
  );
const whole = ["keep-0", "keep-1", "late-0", "late-1"];

test("a ZooKeeper that lost its data, or went back in time, costs no record, and with its newest data the cluster goes on", {
  timeout: 180_000,
}, async () => {
  const { zookeeper } = cluster;
  await filled("keep");
  await zookeeper.kill();
  const older = await zookeeper.copyData();
  await zookeeper.restart();
  // the controller epoch rises, whichever broker was the controller before
  const controller = await waitUntil("a controller", async () => (await admin.describeCluster()).controllerId);
  await cluster.kill(controller);
  await cluster.startBroker(controller);
  await filled("late");
  await zookeeper.kill();
  const newest = await zookeeper.copyData();

  await zookeeper.restart(null);
  await allSay("not joining: ZooKeeper knows no cluster", 1);
  expect(await folders()).toStrictEqual([whole, whole, whole]);
  await zookeeper.restart(older);
  await allSay("not joining: ZooKeeper went back in time", 1);
  expect(await folders()).toStrictEqual([whole, whole, whole]);

  await zookeeper.restart(newest);
  await allSay('"msg":"registered"', 2);
  for (const topic of ["keep", "late"]) await produce(topic, 100, 110);
  expect([await consumed("keep"), await consumed("late")]).toStrictEqual([110, 110]);
  for (const topic of ["keep", "late"]) await cluster.replicasIdentical(topic);

  // what is deleted on purpose is removed everywhere, also on a broker that was away
  await cluster.kill(3);
  // broker 3 may have been the controller, and what was asked of it as it died is to be asked again
  await waitUntil("the deletion", async () => {
    const [answer] = await admin.deleteTopics(["late"]);
    return answer?.error === null || (await admin.listTopics()).every(({ name }) => name !== "late");
  });
  await waitUntil("deleted by those that live", async () => (await folders()).slice(0, 2).flat().length === 4);
  await cluster.startBroker(3);
  await waitUntil("deleted by the one that was away", async () => (await folders()).flat().length === 6);
  expect(await folders()).toStrictEqual([whole.slice(0, 2), whole.slice(0, 2), whole.slice(0, 2)]);
});
