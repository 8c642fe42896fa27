import { type Command, InvalidArgumentError, Option } from "commander";
import type { StartPosition } from "../../client/fetch/assigned-partition.ts";
import { type AssignorName, assignorNames } from "../../client/group/assignors.ts";
import { consume } from "../consume/consume-command.ts";
import { consumeInGroup } from "../consume/consume-group.ts";
import { requireTopic } from "../consume/require-topic.ts";
import { parseStartPosition } from "../consume/start-position.ts";
import { UsageError } from "../output/command-failed.ts";
import { Output } from "../output/output.ts";
import { parseRecordFormat, type RecordFormat } from "../output/record-format.ts";
import { StoppedEarly, withCluster } from "../session/client-session.ts";
import { type CommonOptions, wholeNumber, withCommonOptions } from "./command-options.ts";

interface Options extends CommonOptions {
  readonly from: StartPosition;
  readonly partition: readonly number[];
  readonly max?: number;
  readonly untilEnd: boolean;
  readonly format?: RecordFormat;
  readonly group?: string;
  readonly groupProtocol: "classic" | "consumer";
  readonly assignor?: readonly AssignorName[];
  readonly instanceId?: string;
  readonly sessionTimeout?: number;
}

export function register(program: Command): void {
  const command = program
    .command("consume")
    .description("print records as they arrive, until Ctrl-C")
    .argument("<topic>")
    .option(
      "--from <where>",
      "beginning, end, an offset, or a time: 2026-07-01T12:00:00Z, milliseconds since 1970 (@1000 for early ones); with --group, where it begins when it has no position",
      parseStartPosition,
      "end" as StartPosition,
    )
    .option("--partition <number>", "only this partition; may be repeated", collectPartition, [])
    .option("--max <count>", "end after so many records", wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .option("--until-end", "end where the partitions ended at the start", false)
    .option(
      "--format <format>",
      "value (default), key-value, json, full, or a template: %k key, %v value, %t topic, %p partition, %o offset, %T time in ms, %h headers, \\n, \\t",
      (text: string) => parseRecordFormat(text, surroundings()),
    )
    .option("--group <name>", "share the topic with this group's other members, go on where the group is, and commit what was printed")
    .addOption(
      new Option("--group-protocol <protocol>", "the group's: classic, or consumer for the new one (KIP-848)")
        .choices(["classic", "consumer"])
        .default("classic"),
    )
    .addOption(
      new Option("--assignor <name...>", "how a classic group shares out; cooperative-sticky unless given, others know range").choices(
        assignorNames,
      ),
    )
    .option("--instance-id <name>", "a name that stays over restarts: who is back within the session keeps its partitions")
    .option("--session-timeout <ms>", "silence after which a classic group goes on without us", wholeNumber(1, 2 ** 31 - 1));
  withCommonOptions(command).action(async (topic: string, options: Options) => {
    const { bootstrap, group } = options;
    const output = new Output(process.stdout);
    const run = group === undefined ? plainRun(topic, options) : groupRun(topic, group, options);
    await withCluster(bootstrap, async (stop) => {
      await requireTopic(bootstrap, topic, stop);
      await run(output, stop);
    }).catch((error) => {
      // being stopped is how it ends
      if (!(error instanceof StoppedEarly)) throw error;
    });
  });
}

function surroundings() {
  return { isTerminal: process.stdout.isTTY === true };
}

function commonOptions(topic: string, { bootstrap, json, max, untilEnd, format }: Options) {
  return {
    topic,
    bootstrap,
    recordsMax: max ?? null,
    untilEnd,
    format: format ?? parseRecordFormat(json ? "json" : "value", surroundings()),
  };
}

type Run = (output: Output, stop: AbortSignal) => Promise<void>;

function plainRun(topic: string, options: Options): Run {
  const { from, partition } = options;
  const wanted = { ...commonOptions(topic, options), from, partitions: [...new Set(partition)] };
  return (output, stop) => consume(wanted, output, stop);
}

/** Throws UsageError before waiting for anything. */
function groupRun(topic: string, group: string, options: Options): Run {
  const { from, partition, groupProtocol, assignor = [], instanceId = null, sessionTimeout = null } = options;
  if (group === "") throw new UsageError("--group needs a name");
  if (partition.length > 0) throw new UsageError("the group gives out the partitions: leave --partition out");
  if (typeof from === "object")
    throw new UsageError("--from says where a group without position begins: beginning or end; move one with `ottla group reset-offsets`");
  if (groupProtocol === "consumer" && assignor.length > 0)
    throw new UsageError("--assignor is for classic groups: here the brokers assign");
  const membership = { group, groupProtocol, assignors: assignor, instanceId, sessionTimeoutMs: sessionTimeout };
  const wanted = { ...commonOptions(topic, options), ...membership, from };
  return (output, stop) => consumeInGroup(wanted, output, stop);
}

const partitionNumber = wholeNumber(0, 2 ** 31 - 1);

function collectPartition(text: string, previous: readonly number[]): number[] {
  if (previous.length >= 100_000) throw new InvalidArgumentError("too many partitions.");
  return [...previous, partitionNumber(text)];
}
