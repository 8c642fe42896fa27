import { expect } from "vitest";
import { Producer } from "../../../client/index.ts";
import { TransactionHistory } from "../transaction-checker.ts";
import type { PlannedTransaction, ReadTopic, TransactionClient } from "./transaction-programs.ts";

export interface Interleaved {
  readonly topic: string;
  readonly partitions: number;
  readonly history: TransactionHistory;
  /** Sent outside of transactions, meanwhile and at the end. */
  readonly others: ReadonlySet<string>;
}

/** The same for the same arguments: each transaction writes to most partitions, some of them twice. */
function planOf(name: string, transactions: number, partitions: number): PlannedTransaction[] {
  return Array.from({ length: transactions }, (_, number) => ({
    outcome: (number + name.length) % 3 === 0 ? "abort" : "commit",
    records: Array.from({ length: 4 }, (_, at) => ({ partition: (number + at) % partitions, value: `${name} ${number} ${at}` })),
  }));
}

/** All writers at the same time, to the same partitions, and our own producer outside of transactions; then the last record of each. */
export async function writeInterleaved(
  bootstrap: readonly string[],
  topic: string,
  partitions: number,
  clients: readonly TransactionClient[],
  transactions = 12,
): Promise<Interleaved> {
  const history = new TransactionHistory();
  const others = new Set<string>();
  let writing = true;
  await using producer = new Producer({ bootstrap });
  const plain = async (partition: number, value: string) => {
    others.add(value);
    await producer.send({ topic, partition, value });
  };
  const beside = (async () => {
    for (let i = 0; writing; i++) {
      await plain(i % partitions, `plain ${i}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  const writers = clients.flatMap(({ name, transact }) => (transact === null ? [] : [{ name, transact }]));
  const written = await Promise.allSettled(
    writers.map(async ({ name, transact }) => {
      const plan = planOf(name, transactions, partitions);
      await transact(`id of ${name}`, topic, plan);
      for (const { outcome, records } of plan) {
        const ran = history.begin(name, 1);
        for (const { partition, value } of records) ran.sent.push({ partition: String(partition), value });
        ran.outcome = outcome === "commit" ? "committed" : "aborted";
      }
    }),
  );
  writing = false;
  await beside;
  for (let partition = 0; partition < partitions; partition++) await plain(partition, `end ${partition}`);
  for (const [at, result] of written.entries())
    if (result.status === "rejected") throw new Error(`${writers[at]?.name}: ${result.reason.message}`, { cause: result.reason });
  return { topic, partitions, history, others };
}

/** Every client finds the same records at the same offsets, and what it may see of them is what the history says. */
export async function expectAgreedReads(interleaved: Interleaved, clients: readonly TransactionClient[]): Promise<void> {
  const { topic, partitions, history, others } = interleaved;
  let agreed: { readonly committed: ReadTopic; readonly all: ReadTopic } | null = null;
  for (const client of clients) {
    const all = inOrder(await client.read(topic, "read_uncommitted"));
    if (client.cannotReadCommitted !== undefined) {
      expect({ of: client.name, all }).toEqual({ of: client.name, all: agreed?.all });
      continue;
    }
    const committed = inOrder(await client.read(topic, "read_committed"));
    agreed ??= { committed, all };
    expect({ of: client.name, committed, all }).toEqual({ of: client.name, ...agreed });
    expect(history.check(new Map([...committed].map(([partition, records]) => [String(partition), records])), others)).toEqual([]);
  }
  expect(agreed?.committed.size).toBe(partitions);
  expect(interruptions(agreed?.all ?? new Map(), history), "records among those of other transactions").toBeGreaterThan(0);
  const aborted = new Set(
    history.transactions.filter(({ outcome }) => outcome === "aborted").flatMap(({ sent }) => sent.map(({ value }) => value)),
  );
  const sent = [...history.transactions.flatMap((transaction) => transaction.sent.map(({ value }) => value)), ...others];
  const found = [...(agreed?.all.values() ?? [])].flat();
  expect(found.map(({ value }) => value).toSorted()).toEqual(sent.toSorted());
  for (const [partition, records] of agreed?.all ?? [])
    expect(agreed?.committed.get(partition)).toEqual(records.filter(({ value }) => !aborted.has(value)));
}

function inOrder(read: ReadTopic): ReadTopic {
  return new Map([...read].toSorted(([a], [b]) => a - b));
}

/** Records that are followed by those of somebody else: what the writers were to bring about. */
function interruptions(read: ReadTopic, history: TransactionHistory): number {
  let count = 0;
  const of = new Map(history.transactions.flatMap((transaction) => transaction.sent.map(({ value }) => [value, transaction] as const)));
  for (const records of read.values())
    for (const [at, { value }] of records.entries()) {
      const own = of.get(value);
      const next = records[at + 1];
      if (own !== undefined && next !== undefined && of.get(next.value) !== own) count++;
    }
  return count;
}
