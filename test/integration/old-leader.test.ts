import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Admin, Consumer, orThrow, Producer, stringSerde } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { produceTo } from "../support/partition-requests.ts";
import { RawConnection } from "../support/raw-request.ts";
import { storedValues } from "../support/stored-values.ts";
import { waitUntil } from "../support/wait-until.ts";

const leader = 1;
const followers = [2, 3];
const topic = "contested";
let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  // the leadership stays where it went, so that the test can check it
  cluster = await TestCluster.start({ settings: { "auto.leader.rebalance.enable": false } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

afterEach(() => {
  for (const id of cluster.ids) cluster.resume(id);
});

function produce(connection: RawConnection, value: string, acks: 1 | -1) {
  return produceTo(connection, topic, 0, value, acks, 30_000);
}

async function currentLeader(): Promise<number> {
  const [described] = orThrow(await admin.describeTopics([topic]));
  return described?.partitions[0]?.leader ?? -1;
}

async function allValues(): Promise<string[]> {
  await using consumer = new Consumer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde, stopAtEnd: true });
  await consumer.assign([{ topic, from: "beginning" }]);
  const values: string[] = [];
  for await (const { value } of consumer) values.push(value ?? "");
  return values;
}

test("a stopped leader refuses what it took while it was replaced, and truncates what nobody else has", async () => {
  orThrow(await admin.createTopics([{ name: topic, assignment: [[leader, ...followers]] }]));
  await using producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde });
  await producer.send({ topic, value: "everyone has this" });
  const toOldLeader = await RawConnection.open(cluster.port(leader));
  expect(await produce(toOldLeader, "so does everyone", -1)).toMatchObject({ errorCode: "NONE", baseOffset: 1 });

  // 1. the followers are stopped; the leader writes records and acknowledges them (acks=1 promises no more). The first may already be in
  //    the answers to the followers' fetches;
  //    the second, only the leader has.
  for (const id of followers) cluster.pause(id);
  expect(await produce(toOldLeader, "on its way to the others", 1)).toMatchObject({ errorCode: "NONE", baseOffset: 2 });
  expect(await produce(toOldLeader, "only the old leader has this", 1)).toMatchObject({ errorCode: "NONE", baseOffset: 3 });
  // 2. the leader is stopped, the followers continue; requests to it pile up in its socket
  cluster.pause(leader);
  for (const id of followers) cluster.resume(id);
  const meanwhile = [produce(toOldLeader, "refused, one copy", 1), produce(toOldLeader, "refused, all copies", -1)];
  // 3. its session ends, another leads and takes a record at an offset that the old leader has used
  await waitUntil("another leader", async () => followers.includes(await currentLeader()));
  const { offset } = await producer.send({ topic, value: "the new leader has this" });
  expect(offset).toBeLessThanOrEqual(3);
  // 4. it wakes
  cluster.resume(leader);
  const answers = await Promise.all(meanwhile.map((answer) => answer.catch((error: Error) => ({ errorCode: error.message }))));
  for (const answer of answers) expect(answer?.errorCode).toBe("NOT_LEADER_OR_FOLLOWER");
  toOldLeader.close();

  await waitUntil("the old leader to be in sync again", async () => {
    const [described] = orThrow(await admin.describeTopics([topic]));
    return described?.partitions[0]?.isr.length === 3;
  });
  await cluster.replicasIdentical(topic);
  const onItsWay = offset === 3 ? ["on its way to the others"] : [];
  expect(await allValues()).toEqual(["everyone has this", "so does everyone", ...onItsWay, "the new leader has this"]);
});

test("what was acknowledged by all survives the death of every broker at once", async () => {
  const name = "all-die";
  orThrow(await admin.createTopics([{ name, partitions: 3, replicationFactor: 3 }]));
  await using producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde });
  const sent = await Promise.all(Array.from({ length: 300 }, (_, i) => producer.send({ topic: name, value: `${i}`, partition: i % 3 })));
  await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
  await Promise.all(cluster.ids.map((id) => cluster.startBroker(id)));
  const found = await storedValues(cluster.bootstrap, name);
  for (const [i, { partition, offset }] of sent.entries()) expect(found.get(`${partition}@${offset}`)).toBe(`${i}`);
  await cluster.replicasIdentical(name);
});

test("a ZooKeeper away for longer than every session stops acknowledgements, and nothing is lost", async () => {
  const name = "no-zookeeper";
  orThrow(await admin.createTopics([{ name, partitions: 1, replicationFactor: 3 }]));
  await using producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde, retryBackoffMs: 50 });
  await producer.send({ topic: name, value: "before" });
  await cluster.zookeeper.kill();
  const [described] = orThrow(await admin.describeTopics([name]));
  const connection = await RawConnection.open(cluster.port(described?.partitions[0]?.leader ?? 0));
  // I8: a leader that cannot prove its session acknowledges nothing once the session may be over
  await waitUntil("the leader to refuse", async () => {
    return (await produceTo(connection, name, 0, "probe", 1, 1_000)).errorCode === "NOT_LEADER_OR_FOLLOWER";
  });
  connection.close();
  const waiting = producer.send({ topic: name, value: "after" });
  await cluster.zookeeper.restart();
  const { offset } = await waiting;
  expect(offset).toBeGreaterThanOrEqual(1);
  await using consumer = new Consumer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde, stopAtEnd: true });
  await consumer.assign([{ topic: name, from: "beginning" }]);
  const values: string[] = [];
  for await (const { value } of consumer) values.push(value ?? "");
  expect(values[0]).toBe("before");
  expect(values[offset]).toBe("after");
  await cluster.replicasIdentical(name);
});
