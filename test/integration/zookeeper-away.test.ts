import { createServer } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, Consumer, orThrow, Producer, stringSerde } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { BrokerWatch } from "../support/outside/broker-watch.ts";
import { fetchFrom, produceTo } from "../support/partition-requests.ts";
import { RawConnection } from "../support/raw-request.ts";
import { waitUntil } from "../support/wait-until.ts";

const sessionTimeoutMs = 3_000;
const awayMs = 10_000;
const topic = "kept";
const recordsEach = 50;
/** Broker n leads partition n - 1. */
const assignment = [
  [1, 2, 3],
  [2, 3, 1],
  [3, 1, 2],
];
/** The first pauses between attempts are shorter than a second; they begin anew after the session. */
const quickAttempts = 2 * 6;
/** A busy machine may be late. */
const lateMaxMs = 2_000;
let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  cluster = await TestCluster.start({ settings: { "zookeeper.session.timeout.ms": sessionTimeoutMs } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

/** Takes the place of a ZooKeeper that is gone, and counts who knocks. */
async function countingDoor(port: number) {
  let knocks = 0;
  const server = createServer((socket) => {
    knocks++;
    socket.on("error", () => {}).resetAndDestroy();
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return {
    get knocks() {
      return knocks;
    },
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

async function consumed(count: number): Promise<Set<string>> {
  const values = new Set<string>();
  await using consumer = new Consumer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde });
  await consumer.assign([{ topic, from: "beginning" }]);
  for await (const { value } of consumer) if (values.add(value ?? "").size === count) break;
  return values;
}

test("without ZooKeeper brokers serve while their session is proved, then reads of what is committed, and all of it again when it is back", async () => {
  orThrow(await admin.createTopics([{ name: topic, assignment }]));
  await using producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde, retryBackoffMs: 50 });
  const sends = Array.from({ length: 3 * recordsEach }, (_, i) => producer.send({ topic, partition: i % 3, value: `${i}` }));
  await Promise.all(sends);
  const watches = await Promise.all(cluster.ids.map((id) => BrokerWatch.start(cluster, id)));
  const connections = await Promise.all(cluster.ids.map((id) => RawConnection.open(cluster.port(id))));
  /** Milliseconds until every broker gives one answer to a record of its own partition. */
  const allAnswer = (error: string, acks: 1 | -1) => {
    const fromMs = performance.now();
    const one = (connection: RawConnection, partition: number) =>
      waitUntil(`broker ${partition + 1} to answer ${error}`, async () => {
        const { errorCode } = await produceTo(connection, topic, partition, "probe", acks, 1_000);
        return errorCode === error && performance.now() - fromMs;
      });
    return Promise.all(connections.map(one)).then((times) => times.map(Math.round));
  };

  await cluster.zookeeper.kill();
  const goneMs = performance.now();
  const door = await countingDoor(cluster.zookeeper.port);
  expect(Math.max(...(await allAnswer("NONE", -1))), "a session that is proved is enough").toBeLessThan(sessionTimeoutMs);
  const refusedMs = await allAnswer("NOT_LEADER_OR_FOLLOWER", 1);
  expect(performance.now() - goneMs).toBeLessThan(sessionTimeoutMs + lateMaxMs);

  for (const [partition, connection] of connections.entries()) {
    expect(await fetchFrom(connection, topic, partition, 0)).toMatchObject({ errorCode: "NONE" });
    // whoever has read all that is committed looks for another leader
    expect(await fetchFrom(connection, topic, partition, 1_000_000)).toMatchObject({ errorCode: "NOT_LEADER_OR_FOLLOWER" });
  }
  expect((await consumed(3 * recordsEach)).size).toBe(3 * recordsEach);
  const waiting = Promise.all([0, 1, 2].map((partition) => producer.send({ topic, partition, value: `waited ${partition}` })));
  await waitUntil("the outage to last", () => performance.now() - goneMs > awayMs);
  const { knocks } = door;
  const lines = await Promise.all(watches.map((watch) => watch.lines()));
  expect(knocks / 3).toBeLessThan((performance.now() - goneMs) / 1_000 + quickAttempts);
  for (const ofOne of lines) {
    expect(ofOne.length).toBeLessThan(12);
    expect(ofOne.filter(({ msg }) => msg.startsWith("not registered in ZooKeeper any more: this broker refuses writes"))).toHaveLength(1);
    expect(ofOne.filter(({ msg }) => msg.includes("process is gone"))).toEqual([]);
  }

  await door.close();
  await cluster.zookeeper.restart();
  const resumedMs = await allAnswer("NONE", -1);
  await waiting;
  expect(Math.max(...resumedMs)).toBeLessThan(10_000);
  for (const connection of connections) connection.close();
  expect(watches.map((watch) => watch.isAlive())).toEqual([true, true, true]);
  const values = await consumed(3 * recordsEach + 3);
  for (let i = 0; i < 3 * recordsEach; i++) expect(values).toContain(`${i}`);
  await cluster.replicasIdentical(topic);
  console.log(
    `away for ${awayMs} ms: writes refused after ${refusedMs} ms, resumed ${resumedMs} ms after ZooKeeper serves; ` +
      `${knocks} attempts to connect and ${lines.map(({ length }) => length)} log lines`,
  );
});
