import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, orThrow } from "../../client/index.ts";
import { becomesInSync } from "../support/calm.ts";
import { TestCluster } from "../support/cluster.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { waitUntil } from "../support/wait-until.ts";
import { Workload } from "../support/workload.ts";

// Partitions move between brokers while producers write to them; the controller is killed in the middle.

const partitions = 12;
const all = Array.from({ length: partitions }, (_, partition) => partition);
let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  cluster = await TestCluster.start({ brokers: 4, settings: { "ottla.reassignment.partitions.at.once": 2 } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

async function made(topic: string, assignment: readonly (readonly number[])[]): Promise<void> {
  orThrow(await admin.createTopics([{ name: topic, assignment }]));
}

async function move(topic: string, replicas: readonly number[] | null, which = all): Promise<void> {
  orThrow(await admin.alterPartitionReassignments(which.map((partition) => ({ topic, partition, replicas }))));
}

const over = () =>
  waitUntil("the reassignments are over", async () => (await admin.listPartitionReassignments()).length === 0, { timeoutMs: 60_000 });

async function placesOf(topic: string) {
  const [described] = orThrow(await admin.describeTopics([topic]));
  return described!.partitions.map(({ leader, replicas, isr }) => ({ leader, replicas, isr: isr.toSorted() }));
}

test("partitions move under load, the controller dies meanwhile, and nothing that was acknowledged is lost", async () => {
  const topic = "moved";
  await made(
    topic,
    all.map(() => [1, 2, 3]),
  );
  const load = new Workload({ bootstrap: cluster.bootstrap, topic, partitions }).start();
  await waitUntil("records come through", () => load.acknowledgedCount > 1_000);
  await move(topic, [4, 3, 2]);
  const { controllerId } = await admin.describeCluster();
  await cluster.kill(controllerId);
  expect(await admin.listPartitionReassignments(), "the next controller has something to go on with").not.toEqual([]);
  await cluster.startBroker(controllerId);
  await over();
  const before = load.acknowledgedCount;
  await waitUntil("records come through as before", () => load.acknowledgedCount > before + 1_000);
  await load.stop();
  await becomesInSync(admin, topic);
  await waitUntil("the first of them lead", async () => (await placesOf(topic)).every(({ leader }) => leader === 4));
  expect(await placesOf(topic)).toEqual(all.map(() => ({ leader: 4, replicas: [4, 3, 2], isr: [2, 3, 4] })));
  await waitUntil("the removed replicas' logs are deleted or set aside", () =>
    all.every((partition) => !existsSync(join(cluster.dataDirectory(1), `${topic}-${partition}`))),
  );
  await load.verify();
  await cluster.replicasIdentical(topic);
});

test("a move to a broker that is gone waits, is shown, and is cancelled", async () => {
  const topic = "stuck";
  await waitUntil("all brokers are known", async () => (await admin.describeCluster()).brokers.length === 4);
  const { controllerId } = await admin.describeCluster();
  const gone = controllerId === 4 ? 3 : 4;
  const other = 7 - gone;
  await made(topic, [[1, 2], [2, 1]]); // biome-ignore format: the assignment
  await cluster.kill(gone);
  await move(topic, [gone, 2], [0]);
  await move(topic, [other, 1], [1]);
  const left = await waitUntil("the other one is over", async () => {
    const underWay = await admin.listPartitionReassignments();
    return underWay.length === 1 ? underWay : null;
  });
  expect(left).toEqual([{ topic, partition: 0, replicas: [gone, 2, 1], adding: [gone], removing: [1] }]);
  const shown = await new OttlaCommand(["topic", "describe", topic, "--bootstrap", cluster.bootstrap.join()]).result;
  expect(shown.stdout).toMatch(/adding +removing/);
  await move(topic, null, [0]);
  await over();
  const [first, second] = await placesOf(topic);
  expect(first!.isr).toEqual([1, 2]);
  expect(first!.replicas.toSorted()).toEqual([1, 2]);
  expect(second).toMatchObject({ leader: other, replicas: [other, 1] });
  const folders = () => readdirSync(cluster.dataDirectory(2)).filter((name) => name.startsWith(`${topic}-1`) && !name.endsWith("-delete"));
  await waitUntil("broker 2 has seen its removal: its log is deleted, and not set aside", () => folders().length === 0);
  await cluster.startBroker(gone);
});
