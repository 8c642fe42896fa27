import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow } from "../../../client/index.ts";
import { TestCluster } from "../../support/cluster.ts";
import { prepareKafka, prepareKafkaTool } from "../../support/outside/apache-kafka.ts";
import { HeldTransaction } from "../../support/outside/held-transaction.ts";
import { expectAgreement, filesOf, sumOf } from "../../support/outside/kafka-dump.ts";
import { kafka4 } from "../../support/outside/kafka-packages.ts";
import { prepareJava } from "../../support/outside/program-client.ts";
import { programTransactionClient } from "../../support/outside/transaction-programs.ts";
import { waitUntil } from "../../support/wait-until.ts";

// Apache Kafka's own tools before transactions on our brokers, where they can be had.
const mainClass = "org.apache.kafka.tools.TransactionsCommand";
const [kafka, tool39, tool4, java] = await Promise.all([
  prepareKafka(),
  prepareKafkaTool(mainClass),
  prepareKafkaTool(mainClass, kafka4),
  prepareJava("TransactClient", "3.9.1"),
]);
const missing = [kafka, tool39, tool4, java].find((one) => one.missing !== null)?.missing ?? null;

const topic = "watched";
const stateTopic = "__transaction_state";
let cluster: TestCluster;

/** A table of the tool as values by the names of its columns; what it logs has no tabs. */
async function rows(tool: typeof tool39, ...args: string[]): Promise<Record<string, string>[]> {
  const printed = (await tool.program?.(["--bootstrap-server", cluster.bootstrap.join(","), ...args])) ?? "";
  const cells = printed
    .split("\n")
    .filter((line) => line.includes("\t"))
    .map((line) => line.split("\t").map((cell) => cell.trim()));
  const [header = [], ...lines] = cells;
  return lines.map((line) => Object.fromEntries(header.map((name, at) => [name, line[at] ?? ""])));
}

describe.skipIf(missing !== null)(missing === null ? mainClass : `${mainClass}: ${missing}`, () => {
  beforeAll(async () => {
    cluster = await TestCluster.start({ settings: { "transaction.state.log.num.partitions": 1, "log.index.interval.bytes": 200 } });
    await using admin = new Admin({ bootstrap: cluster.bootstrap });
    orThrow(await admin.createTopics([{ name: topic, partitions: 1, replicationFactor: 3 }]));
  });

  afterAll(async () => {
    await cluster?.stop();
  });

  const producers = ["describe-producers", "--topic", topic, "--partition", "0"];
  const hold = (id: string) => HeldTransaction.open(java.program!, cluster.bootstrap, id, topic);

  test.each([
    ["3.9.1", tool39],
    ["4.4.0", tool4],
  ] as const)("of %s lists, describes and aborts", async (version, tool) => {
    const id = `held-${version}`;
    const held = await hold(id);
    const { startOffset } = held;
    expect(await rows(tool, "list")).toContainEqual(expect.objectContaining({ TransactionalId: id, TransactionState: "Ongoing" }));
    expect(await rows(tool, "describe", "--transactional-id", id)).toMatchObject([
      { TransactionalId: id, TransactionState: "Ongoing", TransactionTimeoutMs: "20000", TopicPartitions: `${topic}-0` },
    ]);
    const open = (found: Record<string, string>[]) => found.map(({ CurrentTransactionStartOffset }) => CurrentTransactionStartOffset);
    expect(open(await rows(tool, ...producers))).toContain(String(startOffset));
    expect(await rows(tool, "find-hanging", "--topic", topic)).toEqual([]);
    await rows(tool, "abort", "--topic", topic, "--partition", "0", "--start-offset", String(startOffset));
    expect(open(await rows(tool, ...producers))).not.toContain(String(startOffset));
    // its coordinator knows of nothing and lets it commit, as Kafka's does
    expect(await held.commit()).toBe("none");
  });

  test("of 4.4.0 ends a transaction by its id", async () => {
    const held = await hold("terminated");
    await rows(tool4, "forceTerminateTransaction", "--transactionalId", "terminated");
    await waitUntil("it to be aborted", async () => {
      const [found] = await rows(tool4, "describe", "--transactional-id", "terminated");
      return found?.TransactionState === "CompleteAbort" || found?.TransactionState === "Empty";
    });
    expect(await held.commit()).toBe("ProducerFencedException");
  });

  test("DumpLogSegments reads markers, the index of aborted transactions, snapshots and the transactions' own log", async () => {
    const client = programTransactionClient("java", java.program!, cluster.bootstrap);
    const plan = (["abort", "commit", "abort"] as const).map((outcome, number) => ({
      outcome,
      records: [{ partition: 0, value: `dumped ${number}` }],
    }));
    await client.transact?.("dumped", topic, plan);
    await cluster.replicasIdentical(topic);
    await cluster.replicasIdentical(stateTopic);
    await cluster.shutDown(1);
    const folder = join(cluster.dataDirectory(1), `${topic}-0`);
    const segments = await expectAgreement(kafka.program!, await filesOf(folder, /\.log$/));
    expect([...segments.values()].flatMap(({ batches }) => batches).filter(({ isControl }) => isControl).length).toBeGreaterThan(5);
    const aborted = await expectAgreement(kafka.program!, await filesOf(folder, /\.txnindex$/));
    expect(sumOf(aborted, "entries")).toBeGreaterThan(3);
    const snapshots = await expectAgreement(kafka.program!, await filesOf(folder, /\.snapshot$/));
    expect(sumOf(snapshots, "entries")).toBeGreaterThan(0);

    const logs = await filesOf(join(cluster.dataDirectory(1), `${stateTopic}-0`), /\.log$/);
    await expectAgreement(kafka.program!, logs);
    const decoded = await kafka.program!.dump(["--transaction-log-decoder", "--files", logs.join(",")]);
    const states = decoded.split("\n").flatMap((line) => {
      const [, id, state] = /transactionalId=([\w.-]+).*?state=(\w+)/.exec(line) ?? [];
      return id === undefined ? [] : [`${id} ${state}`];
    });
    expect(states.filter((state) => state.startsWith("dumped "))).toEqual([
      "dumped Empty",
      ...["Abort", "Commit", "Abort"].flatMap((end) => ["dumped Ongoing", `dumped Prepare${end}`, `dumped Complete${end}`]),
    ]);
  });
});
