import type { Command } from "commander";
import { Admin } from "../../client/admin/admin.ts";
import { UsageError } from "../output/command-failed.ts";
import { tellingRuntime } from "../output/complaints.ts";
import { parseDuration } from "../output/durations.ts";
import { tellWaits } from "../output/tell-waits.ts";
import { withCluster } from "../session/client-session.ts";
import type { Shown } from "../topic/topic-commands.ts";
import { abortTransaction, describeTransactions, findHanging, listTransactions } from "../transaction/transaction-commands.ts";
import { type CommonOptions, collect, wholeNumber, withCommonOptions } from "./command-options.ts";
import { onceOrWatched, type WatchOptions, withWatch } from "./watch-option.ts";

const operationTimeoutMs = 30_000;
const partitionNumber = wholeNumber(0, 2 ** 31 - 1);
/** Kafka's own tools suspect no younger ones: brokers allow transactions as long as this (transaction.max.timeout.ms). */
const quietForDefault = "15m";

interface ListOptions extends WatchOptions {
  readonly state: readonly string[];
  readonly openFor?: number;
}

interface HangingOptions extends WatchOptions {
  readonly topic: readonly string[];
  readonly partition: readonly number[];
  readonly quietFor: number;
}

interface AbortOptions extends CommonOptions {
  readonly partition: number;
  readonly startOffset: number;
  readonly force: boolean;
}

export function register(program: Command): void {
  const transaction = program.command("transaction").description("look at producers' transactions, find those that hang, and end them");
  const list = transaction
    .command("list")
    .description("all transactional ids, the states of their transactions, and their producers")
    .option("--state <state>", "only in this state, as in Ongoing; may be repeated", collect, [])
    .option("--open-for <duration>", "only transactions that have been open for so long: 90s, 15m", parseDuration);
  withCommonOptions(withWatch(list)).action((options: ListOptions) => {
    const filter = { states: options.state, ...(options.openFor === undefined ? {} : { openForMs: options.openFor }) };
    return withAdmin(options, (admin, shown) => listTransactions(admin, filter, shown));
  });
  withCommonOptions(
    withWatch(transaction.command("describe"))
      .description("its state, its producer, how long it is open, and where it has written")
      .argument("<transactional-id...>"),
  ).action((ids: string[], options: WatchOptions) =>
    withAdmin(options, (admin, shown) => describeTransactions(admin, [...new Set(ids)], Date.now(), shown)),
  );
  registerHanging(transaction);
  registerAbort(transaction);
}

function registerHanging(transaction: Command): void {
  const command = transaction
    .command("find-hanging")
    .description("open transactions that no coordinator has: readers of what is committed wait for them for ever")
    .option("--topic <topic>", "only in this topic; may be repeated", collect, [])
    .option("--partition <number>", "only in this partition of each topic; may be repeated", collectPartition, [])
    .option("--quiet-for <duration>", "only those without a record for so long", parseDuration, parseDuration(quietForDefault));
  withCommonOptions(withWatch(command)).action((options: HangingOptions) => {
    const { topic: topics, partition: partitions, quietFor: quietForMs } = options;
    if (partitions.length > 0 && topics.length === 0) throw new UsageError("--partition is of a topic: name one with --topic");
    return withAdmin(options, (admin, shown) => findHanging(admin, { topics, partitions, quietForMs, nowMs: Date.now() }, shown));
  });
}

function registerAbort(transaction: Command): void {
  const command = transaction
    .command("abort")
    .description("end a hanging transaction in a partition; find-hanging says which there are")
    .argument("<topic>")
    .requiredOption("--partition <number>", "the partition", partitionNumber)
    .requiredOption("--start-offset <offset>", "where the transaction begins there", wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .option("--force", "also one that does not hang: its producer loses what it wrote to the partition", false);
  withCommonOptions(command).action((topic: string, { partition, startOffset, force, ...options }: AbortOptions) =>
    withAdmin(options, (admin, shown) => abortTransaction(admin, { topic, partition, startOffset, isForced: force }, shown)),
  );
}

function withAdmin(options: WatchOptions, work: (admin: Admin, shown: Shown) => Promise<void>): Promise<void> {
  const { bootstrap } = options;
  return withCluster(bootstrap, async (signal) => {
    await using admin = tellWaits(
      new Admin({ bootstrap, clientId: "ottla-transaction", operationTimeoutMs, signal, runtime: tellingRuntime }),
    );
    await onceOrWatched(options, signal, (shown) => work(admin, shown));
  });
}

function collectPartition(text: string, previous: readonly number[]): number[] {
  return [...previous, partitionNumber(text)];
}
