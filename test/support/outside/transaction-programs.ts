import { Consumer as PlatformaticConsumer, Producer as PlatformaticProducer, stringDeserializers } from "@platformatic/kafka";
import { Partitioners } from "kafkajs";
import type { ReadRecord } from "../transaction-checker.ts";
import { kafkajsFor } from "./kafkajs-client.ts";
import { noKcat } from "./kcat.ts";
import type { Prepared } from "./prepared.ts";
import { type Program, prepareFranzTransact, prepareJava, preparePython } from "./program-client.ts";
import { runToSuccess } from "./run-command.ts";

export type Isolation = "read_committed" | "read_uncommitted";

export interface PlannedTransaction {
  readonly outcome: "commit" | "abort";
  /** Values have neither tabs nor line ends. */
  readonly records: readonly { readonly partition: number; readonly value: string }[];
}

/** What was read, by partition, in the order of reading. */
export type ReadTopic = ReadonlyMap<number, readonly ReadRecord[]>;

/** A client of others that has transactions, reads by isolation level, or both. */
export interface TransactionClient {
  readonly name: string;
  /**
   * Runs them one after the other under one id, each record acknowledged before the next one goes, so that those of several clients come to
   * lie among each other. Null: it only reads.
   */
  readonly transact: ((id: string, topic: string, plan: readonly PlannedTransaction[]) => Promise<void>) | null;
  /** From the beginning to the end; the last record of each partition has a value that begins with `end`. */
  read(topic: string, isolation: Isolation): Promise<ReadTopic>;
  /** Why what it makes of `read_committed` is not compared, whoever the brokers are. */
  readonly cannotReadCommitted?: string;
}

/**
 * Programs of ours around clients in other languages. `transactions ID TOPIC` takes a line for each transaction, `commit` or `abort` and
 * then `partition:value` for each record, separated by tabs, and prints its outcome when it has ended. `read ISOLATION TOPIC` prints
 * `partition offset value` with tabs, to the end. `process ID GROUP INPUT OUTPUT` makes `of V` of each V, exactly once, until its input
 * ends. `fence ID TOPIC` runs two producers with one id and prints what the first one meets.
 */
export interface TransactionProgram {
  readonly name: string;
  readonly prepared: Prepared<Program>;
}

export async function prepareTransactionPrograms(): Promise<readonly TransactionProgram[]> {
  const [java39, java4, python, go] = await Promise.all([
    prepareJava("TransactClient", "3.9.1"),
    prepareJava("TransactClient", "4.4.0"),
    preparePython(undefined, "transact_client.py"),
    prepareFranzTransact(),
  ]);
  return [
    { name: "Java client 3.9.1", prepared: java39 },
    { name: "Java client 4.4.0", prepared: java4 },
    { name: "confluent-kafka (librdkafka)", prepared: python },
    { name: "franz-go", prepared: go },
  ];
}

function grouped(records: Iterable<ReadRecord & { readonly partition: number }>): ReadTopic {
  const found = new Map<number, ReadRecord[]>();
  for (const { partition, offset, value } of records) found.set(partition, [...(found.get(partition) ?? []), { offset, value }]);
  return found;
}

function parseRead(printed: string): ReadTopic {
  const lines = printed.split("\n").filter((line) => line !== "");
  return grouped(
    lines.map((line) => {
      const [partition, offset, value = ""] = line.split("\t");
      return { partition: Number(partition), offset: Number(offset), value };
    }),
  );
}

export function programTransactionClient(name: string, program: Program, bootstrap: readonly string[]): TransactionClient {
  return {
    name,
    transact: async (id, topic, plan) => {
      const lines = plan.map(({ outcome, records }) =>
        [outcome, ...records.map(({ partition, value }) => `${partition}:${value}`)].join("\t"),
      );
      const printed = await program.run(bootstrap, ["transactions", id, topic], `${lines.join("\n")}\n`);
      const due = plan.map(({ outcome }) => `${outcome}\n`).join("");
      if (printed !== due) throw new Error(`${name} said ${printed} where ${due} was due`);
    },
    read: async (topic, isolation) => parseRead(await program.run(bootstrap, ["read", isolation, topic])),
  };
}

export function kcatTransactionClient(bootstrap: readonly string[]): TransactionClient {
  return {
    name: "kcat",
    transact: null,
    read: async (topic, isolation) => {
      const settings = ["-X", `isolation.level=${isolation}`, "-X", "fetch.wait.max.ms=50"];
      const asked = ["-F", "/dev/null", "-b", bootstrap.join(","), "-C", "-e", "-q", "-t", topic, "-o", "beginning", ...settings];
      return parseRead((await runToSuccess("kcat", [...asked, "-f", "%p\\t%o\\t%s\\n"])).stdout.toString());
    },
  };
}

export const kcatMissing = noKcat;

/** Collects what a group's member is handed, until every partition has had its end. */
class UntilEnds {
  readonly #found: (ReadRecord & { readonly partition: number })[] = [];
  #left: number;
  readonly #done = Promise.withResolvers<ReadTopic>();

  constructor(partitions: number) {
    this.#left = partitions;
  }

  take(partition: number, offset: number, value: string): void {
    this.#found.push({ partition, offset, value });
    if (!value.startsWith("end")) return;
    this.#left--;
    if (this.#left === 0) this.#done.resolve(grouped(this.#found));
  }

  get all(): Promise<ReadTopic> {
    return this.#done.promise;
  }
}

export function kafkajsTransactionClient(bootstrap: readonly string[], partitions: number): TransactionClient {
  return {
    name: "kafkajs",
    transact: async (id, topic, plan) => {
      const settings = { transactionalId: id, idempotent: true, maxInFlightRequests: 1, transactionTimeout: 20_000 };
      const producer = kafkajsFor(bootstrap, id).producer({ ...settings, createPartitioner: Partitioners.DefaultPartitioner });
      await producer.connect();
      for (const { outcome, records } of plan) {
        const transaction = await producer.transaction();
        for (const record of records) await transaction.send({ topic, messages: [record] });
        await (outcome === "commit" ? transaction.commit() : transaction.abort());
      }
      await producer.disconnect();
    },
    read: async (topic, isolation) => {
      const until = new UntilEnds(partitions);
      const consumer = kafkajsFor(bootstrap).consumer({
        groupId: `kafkajs-reads-${topic}-${isolation}`,
        readUncommitted: isolation === "read_uncommitted",
        maxWaitTimeInMs: 50,
      });
      await consumer.connect();
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ partition, message: { offset, value } }) => until.take(partition, Number(offset), String(value)),
      });
      const found = await until.all;
      await consumer.disconnect();
      return found;
    },
  };
}

export function platformaticTransactionClient(bootstrap: readonly string[], partitions: number): TransactionClient {
  return {
    name: "platformatic",
    cannotReadCommitted: "of several transactions of one producer in an answer that were aborted it hides the last one only (2.12.1)",
    transact: async (id, topic, plan) => {
      const producer = new PlatformaticProducer({
        clientId: id,
        bootstrapBrokers: [...bootstrap],
        transactionalId: id,
        idempotent: true,
        retries: 5,
      });
      for (const { outcome, records } of plan) {
        const transaction = await producer.beginTransaction();
        for (const { partition, value } of records)
          await transaction.send({ messages: [{ topic, partition, value: Buffer.from(value) }], acks: -1 });
        await (outcome === "commit" ? transaction.commit() : transaction.abort());
      }
      await producer.close();
    },
    read: async (topic, isolation) => {
      const until = new UntilEnds(partitions);
      const consumer = new PlatformaticConsumer({
        clientId: "platformatic",
        groupId: `platformatic-reads-${topic}-${isolation}`,
        bootstrapBrokers: [...bootstrap],
        deserializers: stringDeserializers,
        isolationLevel: isolation === "read_committed" ? 1 : 0,
      });
      const stream = await consumer.consume({ topics: [topic], mode: "earliest", autocommit: false, maxWaitTime: 50 });
      const ended = (async () => {
        for await (const { partition, offset, value } of stream) until.take(partition, Number(offset), value);
      })();
      const found = await until.all;
      await consumer.close(true);
      await ended;
      return found;
    },
  };
}
