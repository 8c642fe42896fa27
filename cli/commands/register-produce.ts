import { type Command, InvalidArgumentError, Option } from "commander";
import { type CompressionCodec, compressionCodecs } from "../../protocol/records/batch-header.ts";
import type { RecordHeader } from "../../protocol/records/record.ts";
import { UsageError } from "../output/command-failed.ts";
import { Output } from "../output/output.ts";
import { parseEscapes } from "../output/record-format.ts";
import { produce } from "../produce/produce-command.ts";
import { reachMaxMs, withCluster } from "../session/client-session.ts";
import { type CommonOptions, wholeNumber, withCommonOptions } from "./command-options.ts";

interface Options extends CommonOptions {
  readonly input: "lines" | "json";
  readonly key?: string;
  readonly header: readonly RecordHeader[];
  readonly nullValue?: string;
  readonly keepPartitions: boolean;
  readonly resume?: string;
  readonly skipBad: boolean;
  readonly keySeparator?: string;
  readonly keepKey: boolean;
  readonly file?: string;
  readonly follow?: string;
  readonly positionFile?: string;
  readonly acks: "all" | "0" | "1";
  readonly idempotence: boolean;
  readonly codec: CompressionCodec;
  readonly partition?: number;
  readonly timeout?: number;
  readonly lineBytesMax: number;
  readonly transactionalId?: string;
  readonly batch?: number;
  readonly transactionTimeout: number;
}

const deliveryTimeoutSeconds = 120;
/** The lines of a transaction are in memory until it is committed. */
const batchLinesMax = 10_000;

export function register(program: Command): void {
  const command = program
    .command("produce")
    .description("send lines, a record each: from standard input, a file, or a file that grows")
    .argument("<topic>")
    .addOption(
      new Option("--input <format>", "what a line is: lines, its value; json, a record as `ottla consume --json` prints it")
        .choices(["lines", "json"])
        .default("lines"),
    )
    .option("--key <text>", "the key of every record that has none of its own")
    .option(
      "--key-separator <text>",
      "what ends the key that a line begins with, '\\t' for a tab; a line without it has no key, or that of --key",
      parseEscapes,
    )
    .option("--keep-key", "the value is the whole line, key included", false)
    .option("--header <name=value>", "a header of every record; may be repeated", collectHeader, [])
    .option("--null-value <text>", "a value of exactly this text is null: a tombstone, where topics are compacted")
    .option("--partition <number>", "send all lines there", wholeNumber(0, 2 ** 31 - 1))
    .option("--keep-partitions", "with --input json: send each record to the partition that it names", false)
    .addOption(new Option("--file <path>", "read this file to its end").conflicts("follow"))
    .option("--follow <path>", "read this file as it grows and is rotated, waiting for it if need be, until Ctrl-C or SIGTERM")
    .option("--position-file <path>", "remember how far --follow's lines are stored, and go on there the next time")
    .option(
      "--resume <lines>",
      "send only these lines: what a run that stopped says are not stored, as in 7,20-25,31- (or @FILE with them)",
    )
    .option(
      "--skip-bad",
      "leave out, and tell of, lines that are too long, no JSON, or without the key that the topic needs, instead of ending there",
      false,
    )
    .addOption(new Option("--acks <who>", "when a line counts as stored").choices(["all", "1", "0"]).default("all"))
    .option(
      "--no-idempotence",
      "lines may be stored twice when they have to be sent again; for brokers that give out no producer ids (with --acks 1 or 0 it is always so)",
    )
    .addOption(new Option("--codec <name>", "compress with").choices(compressionCodecs).default("none"))
    .option(
      "--timeout <seconds>",
      `give up on a line that is not acknowledged, or at the start on a broker, after this long (default: ${deliveryTimeoutSeconds}; at the start ${reachMaxMs / 1000})`,
      wholeNumber(1, 86_400),
    )
    .option("--line-bytes-max <bytes>", "longer lines are bad", wholeNumber(1, 16 * 1024 * 1024), 1_000_000);
  withTransactions(command);
  withCommonOptions(command).action(async (topic: string, options: Options) => {
    const wanted = forProduce(topic, options);
    const giveUpAfterMs = options.timeout === undefined ? reachMaxMs : options.timeout * 1000;
    await withCluster(
      options.bootstrap,
      (stop, onSecond) => produce(wanted, new Output(process.stdout), { stop, onSecond }),
      giveUpAfterMs,
    );
  });
}

function withTransactions(command: Command): void {
  command
    .option("--transactional-id <name>", "send in transactions under this name: each is read whole, or not at all (see --batch)")
    .option("--batch <lines>", "with --transactional-id: commit after so many lines, and at the end", wholeNumber(1, batchLinesMax))
    .option(
      "--transaction-timeout <seconds>",
      "with --transactional-id: how long the lines of one may be waited for before the brokers abort it",
      wholeNumber(1, 86_400),
      60,
    );
}

/** Throws UsageError for what makes no transactions. */
function transactionsOf({ transactionalId, batch, transactionTimeout, acks, idempotence, positionFile }: Options) {
  if (transactionalId === undefined) {
    if (batch !== undefined) throw new UsageError("--batch goes with --transactional-id only");
    return null;
  }
  if (transactionalId === "") throw new UsageError("--transactional-id needs a name");
  if (batch === undefined) throw new UsageError("--transactional-id needs --batch LINES: how many lines belong together");
  if (acks !== "all" || !idempotence) throw new UsageError("transactions need --acks all, and idempotence");
  if (positionFile !== undefined) throw new UsageError("--position-file remembers line by line: leave it out with --transactional-id");
  return { transactionalId, batch, timeoutMs: transactionTimeout * 1000 };
}

function forProduce(topic: string, options: Options) {
  const { key = null, nullValue = null, resume = null, header: headers } = options;
  const { keySeparator = null, file = null, follow = null, positionFile = null, partition = null } = options;
  const acks = options.acks === "all" ? -1 : options.acks === "1" ? 1 : 0;
  return {
    ...options,
    topic,
    key,
    nullValue,
    resume,
    headers,
    keySeparator,
    file,
    follow,
    positionFile,
    partition,
    acks,
    transactional: transactionsOf(options),
    enableIdempotence: options.idempotence && acks === -1,
    deliveryTimeoutMs: (options.timeout ?? deliveryTimeoutSeconds) * 1000,
  } as const;
}

function collectHeader(text: string, previous: readonly RecordHeader[]): RecordHeader[] {
  const at = text.indexOf("=");
  if (at < 0) throw new InvalidArgumentError("it is NAME=VALUE.");
  return [...previous, { key: text.slice(0, at), value: Buffer.from(text.slice(at + 1)) }];
}
