import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow } from "../../../client/index.ts";
import { TestCluster } from "../../support/cluster.ts";
import { expectAgreedReads, writeInterleaved } from "../../support/outside/transaction-exchange.ts";
import {
  kafkajsTransactionClient,
  kcatMissing,
  kcatTransactionClient,
  platformaticTransactionClient,
  prepareTransactionPrograms,
  programTransactionClient,
  type TransactionProgram,
} from "../../support/outside/transaction-programs.ts";

// Transactions of clients that are not ours, as far as they can be had here.
const programs = await prepareTransactionPrograms();
const titled = programs.map((program) => {
  const { missing } = program.prepared;
  return [missing === null ? program.name : `${program.name}: ${missing}`, program] as const;
});

const partitionCount = 3;
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({ settings: { "transaction.state.log.num.partitions": 6, "group.initial.rebalance.delay.ms": 0 } });
});

afterAll(async () => {
  await cluster?.stop();
});

async function create(topic: string): Promise<void> {
  await using admin = new Admin({ bootstrap: cluster.bootstrap });
  orThrow(await admin.createTopics([{ name: topic, partitions: partitionCount, replicationFactor: 3 }]));
}

async function answersOf({ prepared }: TransactionProgram, command: string, id: string): Promise<(readonly [string, string])[]> {
  const topic = `topic-of-${id}`;
  await create(topic);
  const printed = (await prepared.program?.run(cluster.bootstrap, [command, id, topic])) ?? "";
  const lines = printed.trimEnd().split("\n");
  return lines.map((line) => [line.slice(0, line.indexOf("\t")), line.slice(line.indexOf("\t") + 1)]);
}

test("transactions of all clients among each other: all read the same, and of the aborted ones nothing", async () => {
  const topic = "interleaved";
  await create(topic);
  const { bootstrap } = cluster;
  const clients = [
    ...programs.flatMap(({ name, prepared: { program } }) =>
      program === null ? [] : [programTransactionClient(name, program, bootstrap)],
    ),
    ...(kcatMissing === null ? [kcatTransactionClient(bootstrap)] : []),
    kafkajsTransactionClient(bootstrap, partitionCount),
    platformaticTransactionClient(bootstrap, partitionCount),
  ];
  await expectAgreedReads(await writeInterleaved(bootstrap, topic, partitionCount, clients), clients);
  await cluster.replicasIdentical(topic);
});

describe.each(titled)("%s", (_title, program) => {
  /** What each client makes of PRODUCER_FENCED. */
  const words: Readonly<Record<string, string>> = { "confluent-kafka (librdkafka)": "_FENCED fatal", "franz-go": "PRODUCER_FENCED" };

  test.skipIf(program.prepared.missing !== null)("a second producer with the id fences the first", async () => {
    const id = `fenced-${programs.indexOf(program)}`;
    expect(await answersOf(program, "fence", id)).toEqual([
      ["first", words[program.name] ?? "ProducerFencedException"],
      ["second", "commit"],
    ]);
    const kept = await programTransactionClient(program.name, program.prepared.program!, cluster.bootstrap).read(
      `topic-of-${id}`,
      "read_committed",
    );
    expect([...kept.values()].flat().map(({ value }) => value)).toEqual(["of the second one"]);
  });
});

const ofJava = programs.filter(({ name }) => name.startsWith("Java"));
describe.each(titled.filter(([, program]) => ofJava.includes(program)))("%s", (_title, program) => {
  /** Version 1 keeps the epoch, version 2 raises it with each transaction. */
  const epochs: Readonly<Record<string, readonly string[]>> = {
    "Java client 3.9.1": ["0", "0", "0"],
    "Java client 4.4.0": ["0", "1", "2"],
  };

  test.skipIf(program.prepared.missing !== null)("its administration: described, listed, aborted for one partition", async () => {
    const id = `administered-${programs.indexOf(program)}`;
    const answers = await answersOf(program, "admin", id);
    expect(answers.filter(([question]) => question === "epoch").map(([, epoch]) => epoch)).toEqual(epochs[program.name]);
    expect(answers.filter(([question]) => question === "open").map(([, open]) => open)).toEqual(["true", "true", "true"]);
    expect(Object.fromEntries(answers)).toMatchObject({
      version: expect.stringMatching(/\b2\b/),
      listedByState: "true",
      listedByProducer: `[${id} Ongoing]`,
      listedByDuration: "false",
      listedAsComplete: "false",
      described: `Ongoing 20000 true [topic-of-${id}-0]`,
      start: "6",
      openAfterAbort: "false",
      endAfterAbort: "none",
      unknown: "TransactionalIdNotFoundException",
    });
  });
});
