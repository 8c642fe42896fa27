import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, orThrow, Producer, stringSerde } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { waitUntil } from "../support/wait-until.ts";

const sessionTimeoutMs = 10_000;
/** From the moment the broker is back; well below what is left of the session of its earlier life. */
const quickMs = 5_000;
let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  cluster = await TestCluster.start({
    settings: { "zookeeper.session.timeout.ms": sessionTimeoutMs, "auto.leader.rebalance.enable": false },
  });
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

async function controllerId(): Promise<number> {
  return waitUntil("a controller", async () => {
    const { controllerId: id } = await admin.describeCluster();
    return id !== null && id >= 0 ? id : null;
  });
}

async function leaderOf(topic: string): Promise<number> {
  const [described] = orThrow(await admin.describeTopics([topic]));
  return described?.partitions[0]?.leader ?? -1;
}

test("the controller's broker, killed and started at once, controls again long before its old session ends", async () => {
  const victim = await controllerId();
  const others = cluster.ids.filter((id) => id !== victim);
  orThrow(
    await admin.createTopics([
      { name: "led", assignment: [[victim, ...others]] },
      { name: "only", assignment: [[victim]], configs: { "min.insync.replicas": "1" } },
    ]),
  );
  await using producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde, retryBackoffMs: 50 });
  for (const topic of ["led", "only"]) await producer.send({ topic, value: "before" });

  const killedMs = performance.now();
  await cluster.kill(victim);
  await cluster.startBroker(victim);
  const backMs = performance.now();
  orThrow(await admin.createTopics([{ name: "made-at-once", partitions: 3, replicationFactor: 3 }]));
  const createdMs = performance.now();
  for (const topic of ["led", "only"]) expect(await producer.send({ topic, value: "after" })).toMatchObject({ offset: 1 });
  const producedMs = performance.now();
  console.log(
    `back after ${Math.round(backMs - killedMs)} ms, topic created after ${Math.round(createdMs - backMs)} ms more, records acknowledged ${Math.round(producedMs - createdMs)} ms later`,
  );
  expect(producedMs - backMs).toBeLessThan(quickMs);
  // it lost nothing, but that was not known: the others lead what they have as well
  expect(others).toContain(await leaderOf("led"));
  expect(await leaderOf("only")).toBe(victim);
  await cluster.replicasIdentical("led");
});

test("a leader that does not control, killed and started at once, has handed over what others can lead as soon as it is back", async () => {
  const controller = await controllerId();
  const victim = cluster.ids.find((id) => id !== controller)!;
  const others = cluster.ids.filter((id) => id !== victim);
  orThrow(await admin.createTopics([{ name: "followed", assignment: [[victim, ...others]] }]));
  await using producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde, retryBackoffMs: 50 });
  await producer.send({ topic: "followed", value: "before" });
  await cluster.kill(victim);
  await cluster.startBroker(victim);
  const backMs = performance.now();
  expect(await producer.send({ topic: "followed", value: "after" })).toMatchObject({ offset: 1 });
  expect(performance.now() - backMs).toBeLessThan(quickMs);
  expect(others).toContain(await leaderOf("followed"));
  await waitUntil("it is in sync again", async () => {
    const [described] = orThrow(await admin.describeTopics(["followed"]));
    return described?.partitions[0]?.isr.length === 3;
  });
  await cluster.replicasIdentical("followed");
});
