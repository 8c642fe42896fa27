import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, Consumer, orThrow, stringSerde } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { programs } from "../support/pages/console-blocks.ts";

const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const scriptOf = (name: string) => file(`test/support/migration/${name}.ts`);
const scriptMaxMs = 90_000;

let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  cluster = await TestCluster.start({ settings: { "group.initial.rebalance.delay.ms": 200 } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

/** What a script printed, sorted: its handlers run in parallel. It has to end by itself, and well. */
async function run(script: string, args: readonly string[]): Promise<string[]> {
  const child = spawn(process.execPath, [scriptOf(script), ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let [printed, complaints] = ["", ""];
  child.stdout.on("data", (chunk) => {
    printed += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    complaints += String(chunk);
  });
  const late = setTimeout(() => child.kill("SIGKILL"), scriptMaxMs);
  const [code, signal] = await once(child, "close");
  clearTimeout(late);
  expect([code, signal], `${script}\n${printed}\n${complaints}`).toEqual([0, null]);
  return [...new Set(printed.trimEnd().split("\n"))].toSorted();
}

/** Partition by partition, each in order. */
async function contentOf(topic: string): Promise<string[]> {
  const consumer = new Consumer({ bootstrap: cluster.bootstrap, keySerde: stringSerde, valueSerde: stringSerde, stopAtEnd: true });
  await consumer.assign([{ topic, from: "beginning" }]);
  const records = await Array.fromAsync(consumer, ({ partition, key, value, headers }) => {
    const texts = headers.map((header) => `${header.key}=${header.value}`);
    return `${partition} ${key} ${value} ${texts.join()}`;
  });
  await consumer.close();
  return records.toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
}

/** By key, in the order of their partitions. */
const byKey = (content: readonly string[]) => Object.groupBy(content, (record) => record.split(" ")[1] as string);

async function outcomeOf(script: string) {
  const [orders, invoices, group] = ["orders", "invoices", "group"].map((what) => `${script}-${what}`) as [string, string, string];
  const printed = await run(script, [cluster.bootstrap.join(), orders, invoices, group]);
  const [settings] = orThrow(await admin.describeConfigs([{ topic: orders }], { names: ["retention.ms"] }));
  const [described] = orThrow(await admin.describeTopics([orders]));
  return {
    printed,
    orders: await contentOf(orders),
    invoices: byKey(await contentOf(invoices)),
    // where nothing was read, theirs commits nothing, and ours where it began
    committed: (await admin.listGroupOffsets(group))
      .flatMap(({ partition, offset }) => (offset > 0 ? `${partition}=${offset}` : []))
      .toSorted(),
    topic: [settings?.configs[0]?.value, described?.partitions.length, described?.partitions[0]?.replicas.length],
  };
}

test.each([
  ["docs/from-kafkajs.md", "kafkajs"],
  ["docs/from-platformatic-kafka.md", "platformatic"],
])("%s shows a script before and after, and both do the same", async (page, name) => {
  const scripts = [`${name}-before`, `${name}-after`];
  const [before, after] = programs(await readFile(file(page), "utf8")).map((text) =>
    text.replaceAll('"ottla"', '"../../../client/index.ts"'),
  );
  expect([before, after]).toEqual(await Promise.all(scripts.map((script) => readFile(scriptOf(script), "utf8"))));
  const [theirs, ours] = [await outcomeOf(`${name}-before`), await outcomeOf(`${name}-after`)];
  expect(theirs.printed).toHaveLength(200);
  expect(theirs.orders).toHaveLength(200);
  expect(ours).toEqual(theirs);
});
