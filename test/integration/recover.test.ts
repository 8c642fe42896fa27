import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, Consumer, orThrow, Producer, stringSerde } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";

let cluster: TestCluster;
let folder: string;

beforeAll(async () => {
  [cluster, folder] = await Promise.all([TestCluster.start(), makeTestFolder("recover")]);
});

afterAll(async () => {
  await cluster?.stop();
  await removeTestFolder(folder);
});

const run = (...args: string[]) => new OttlaCommand(args).result;

async function produce(topic: string, values: readonly string[]): Promise<void> {
  await using producer = new Producer({ bootstrap: cluster.bootstrap, keySerde: stringSerde, valueSerde: stringSerde });
  await Promise.all(values.map((value) => producer.send({ topic, key: value, value })));
}

async function valuesOf(topic: string): Promise<string[]> {
  await using consumer = new Consumer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde, stopAtEnd: true });
  await consumer.assign([{ topic, from: "beginning" }]);
  const values: string[] = [];
  for await (const { value } of consumer) values.push(value ?? "");
  return values.sort();
}

const numbered = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}${String(n).padStart(4, "0")}`);

test("a lost ZooKeeper is rebuilt from the brokers' disks: topics, ids, settings, positions and every acknowledged record", async () => {
  await using admin = new Admin({ bootstrap: cluster.bootstrap });
  orThrow(
    await admin.createTopics([
      { name: "orders", partitions: 3, replicationFactor: 3, configs: { "retention.ms": "-1", "cleanup.policy": "compact,delete" } },
      { name: "alone", partitions: 4, replicationFactor: 1 },
      { name: "gone", partitions: 2, replicationFactor: 3 },
    ]),
  );
  const first = numbered("a", 300);
  await Promise.all([produce("orders", first), produce("alone", first), produce("gone", first)]);
  orThrow(await admin.deleteTopics(["gone"]));
  const committed = await run("consume", "orders", "--group", "readers", "--from", "beginning", "--max", "120", ...bootstrapArgs());
  expect(committed.code, committed.stderr).toBe(0);
  const before = await admin.describeTopics(["orders", "alone"]);

  // broker 3 is away for what comes last: it must not lead afterwards without it
  await cluster.kill(3);
  const last = numbered("b", 300);
  await produce("orders", last);
  // the other two keep running, and wait
  await cluster.zookeeper.restart(null);

  const zookeeper = ["--zookeeper", `${cluster.zookeeper.connectionString}/test`];
  const [one, two, three] = [1, 2, 3].map((id) => cluster.dataDirectory(id)) as [string, string, string];
  const partial = await run("cluster", "recover", ...zookeeper, one, two);
  expect(partial.code).toBe(1);
  expect(partial.stderr).toMatch(/the log directories of broker 3 are missing.*--without 3/);

  const inventory = await run("cluster", "inventory", "--json", three);
  const file = join(folder, "three.json");
  await writeFile(file, inventory.stdout);
  const plan = await run("cluster", "recover", ...zookeeper, one, two, file);
  expect(plan.stderr).toBe("");
  expect(plan.stdout).toMatch(/^cluster \S+ {2}controller epoch \d+ {2}3 topics/);
  expect(plan.stdout).toMatch(/orders +\S+ +3 +3 +0 +3 +0\n/);
  expect(plan.stdout).toMatch(/nothing is written yet/);
  const executed = await run("cluster", "recover", ...zookeeper, "--execute", one, two, file);
  expect(executed.code, executed.stderr).toBe(0);
  const again = await run("cluster", "recover", ...zookeeper, "--execute", one, two, file);
  expect(again.code).toBe(1);
  expect(again.stderr).toMatch(/it holds a cluster already/);

  await cluster.startBroker(3);
  expect(await valuesOf("orders")).toEqual([...first, ...last]);
  expect(await valuesOf("alone")).toEqual(first);
  const after = await admin.describeTopics(["orders", "alone"]);
  const told = (topics: typeof before) =>
    orThrow(topics).map(({ name, topicId, partitions }) => [name, topicId, partitions.map(({ replicas }) => replicas)]);
  expect(told(after)).toEqual(told(before));
  expect((await run("topic", "list", ...bootstrapArgs())).stdout).not.toMatch(/gone/);
  expect((await run("topic", "describe", "orders", "--configs", ...bootstrapArgs())).stdout).toMatch(/compact,delete/);
  const rest = await run("consume", "orders", "--group", "readers", "--until-end", ...bootstrapArgs());
  expect(rest.stdout.trimEnd().split("\n"), "the group goes on behind what it had committed").toHaveLength(480);

  // new producers have ids of their own: none of their records is taken for a duplicate of an old one
  const more = numbered("c", 100);
  await produce("orders", more);
  expect(await valuesOf("orders")).toEqual([...first, ...last, ...more]);
  await cluster.replicasIdentical("orders");
});

function bootstrapArgs(): string[] {
  return ["--bootstrap", cluster.bootstrap.join(",")];
}
