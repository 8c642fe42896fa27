import { type Command, InvalidArgumentError, Option } from "commander";
import { type AssignorName, assignorNames } from "../../client/group/assignors.ts";
import type { TopicPattern } from "../../client/group/topic-watch.ts";
import type { Isolation } from "../../client/metadata/offset-lookup.ts";
import { nodeClock } from "../../protocol/node/node-clock.ts";
import { consume } from "../consume/consume-command.ts";
import { consumeInGroup } from "../consume/consume-group.ts";
import { RecordPrinter } from "../consume/record-printer.ts";
import { RecordSelection } from "../consume/record-selection.ts";
import { type Places, parsePlaces, partitionsOf } from "../consume/start-position.ts";
import { collectPattern, parseExpression, topicsNow } from "../consume/topic-patterns.ts";
import { UsageError } from "../output/command-failed.ts";
import { complain } from "../output/complaints.ts";
import { Output } from "../output/output.ts";
import { parseRecordFormat, type RecordFormat, type ValueFormat, valueFormats } from "../output/record-format.ts";
import { StoppedEarly, withCluster } from "../session/client-session.ts";
import { type CommonOptions, wholeNumber, withCommonOptions } from "./command-options.ts";

interface Options extends CommonOptions {
  readonly from?: Places;
  readonly until?: Places;
  readonly tail?: number;
  readonly partition: readonly number[];
  readonly max?: number;
  readonly untilEnd: boolean;
  readonly sorted: boolean;
  readonly key?: string;
  readonly grep?: RegExp;
  readonly filter?: string;
  readonly decode?: ValueFormat;
  readonly format?: RecordFormat;
  readonly quiet: boolean;
  readonly group?: string;
  readonly groupProtocol: "classic" | "consumer";
  readonly assignor?: readonly AssignorName[];
  readonly instanceId?: string;
  readonly sessionTimeout?: number;
  readonly rack?: string;
  readonly isolation: "read-uncommitted" | "read-committed";
}

/** They are kept in memory. */
const tailMax = 100_000;

export function register(program: Command): void {
  const consume = program
    .command("consume")
    .description("print records as they arrive, until Ctrl-C")
    .argument("<topics...>", "names, patterns such as 'orders-*', or regular expressions such as '/^orders-/'", collectPattern);
  const command = withPlaces(consume)
    .option("--tail <count>", "begin with the latest so many records, by timestamp over all partitions", wholeNumber(1, tailMax))
    .option("--partition <number>", "only this partition of each topic; may be repeated", collectPartition, [])
    .option("--max <count>", "end after so many records", wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .option("--until-end", "end where the partitions ended at the start", false)
    .option("--sorted", "by timestamp over all partitions", false)
    .option("--key <text>", "only records with exactly this key")
    .option("--grep <expression>", "only records whose value matches this regular expression; '/…/i' for either case", parseExpression)
    .option(
      "--filter <expression>",
      "only records for which this JavaScript expression holds: it sees topic, partition, offset, timestampMs, key, value, headers, header(name), json (docs/records.md)",
    )
    .addOption(new Option("--decode <format>", "what values are in: --json and --filter see what they mean").choices(valueFormats))
    .option(
      "--format <format>",
      "value (default), key-value, json, full, or a template: %k key, %v value, %t topic, %p partition, %o offset, %T time in ms, %h headers, \\n, \\t",
      (text: string) => parseRecordFormat(text, surroundings()),
    )
    .option("--rack <name>", "where we are, as in broker.rack: read from an in-sync follower there, if the brokers allow it")
    .addOption(
      new Option("--isolation <level>", "read-committed: of what was written in transactions only what is committed")
        .choices(["read-uncommitted", "read-committed"])
        .default("read-uncommitted"),
    )
    .option("--quiet", "do not say at the end how many records there were", false)
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
  withCommonOptions(command).action(printRecords);
}

async function printRecords(topics: readonly TopicPattern[], options: Options): Promise<void> {
  const run = options.group === undefined ? plainRun(topics, options) : groupRun(topics, options.group, options);
  using selection = await selectionFor(options);
  using printer = printerFor(options, selection);
  await withCluster(options.bootstrap, async (stop) => {
    const present = await topicsNow(options.bootstrap, topics, stop);
    await run(present, printer, stop);
    printer.end();
  }).catch((error) => {
    // being stopped is how it ends
    if (!(error instanceof StoppedEarly)) throw error;
  });
}

/** Where it begins and ends. */
function withPlaces(command: Command): Command {
  return command
    .option(
      "--from <where>",
      "beginning (default with --until), end (default), an offset, offsets of some partitions: 0:100,3:250, or a time: 2026-07-01T12:00:00Z, milliseconds since 1970 (@1000 for early ones), -15m for so long ago; with --group, where it begins when it has no position",
      parsePlace,
    )
    .option(
      "--until <where>",
      "end before the record there, or where the partitions ended at the start: end, an offset, offsets of some partitions, or a time, as for --from",
      parsePlace,
    );
}

function selectionFor(options: Options): Promise<RecordSelection> {
  const { key = null, grep = null, filter = null, decode = null } = options;
  return RecordSelection.open({ key, grep, filter, decode });
}

function printerFor({ json, max, format, quiet }: Options, selection: RecordSelection): RecordPrinter {
  return new RecordPrinter({
    output: new Output(process.stdout),
    format: format ?? parseRecordFormat(json ? "json" : "value", surroundings()),
    selection,
    recordsMax: max ?? null,
    now: () => nodeClock.monotonicMs(),
    isQuiet: quiet,
  });
}

function isolationOf({ isolation }: Options): Isolation {
  return isolation === "read-committed" ? "read_committed" : "read_uncommitted";
}

function surroundings() {
  return { isTerminal: process.stdout.isTTY === true };
}

/** `present`: the topics that the patterns mean now. */
type Run = (present: readonly string[], printer: RecordPrinter, stop: AbortSignal) => Promise<void>;

function plainRun(_topics: readonly TopicPattern[], options: Options): Run {
  const { bootstrap, from, until = null, tail, partition, untilEnd, sorted, rack = null } = options;
  checkPlaces(options);
  const isUnasked = from === undefined && tail === undefined && until === null && !untilEnd && process.stderr.isTTY === true;
  const onWaiting = isUnasked ? () => complain("waiting for new records; --from beginning shows those there are") : null;
  const wanted = {
    bootstrap,
    from: from ?? (until === null ? "end" : "beginning"),
    until,
    tail: tail ?? null,
    partitions: [...new Set(partition)],
    untilEnd,
    isSorted: sorted,
    rack,
    isolation: isolationOf(options),
  };
  return (topics, printer, stop) => consume({ ...wanted, onWaiting, topics }, printer, stop);
}

/** Throws UsageError for what contradicts itself. */
function checkPlaces({ from, until, tail, partition }: Options): void {
  if (tail !== undefined && from !== undefined) throw new UsageError("--tail says where to begin: leave --from out");
  if (tail !== undefined && until !== undefined) throw new UsageError("--tail is what comes last: leave --until out");
  if (until === "beginning") throw new UsageError("--until beginning leaves nothing to print");
  if (typeof until === "object" && "timestampMs" in until && until.timestampMs > Date.now())
    throw new UsageError("--until says which records, not how long to wait: that time is still to come");
  const [begun, ended] = [partitionsOf(from ?? null), partitionsOf(until ?? null)];
  if (begun.length + ended.length > 0 && partition.length > 0)
    throw new UsageError("offsets of partitions say which partitions: leave --partition out");
  if (begun.length > 0 && ended.length > 0 && begun.join() !== ended.join())
    throw new UsageError("--from and --until name different partitions");
}

/** Throws UsageError before waiting for anything. */
function groupRun(topics: readonly TopicPattern[], group: string, options: Options): Run {
  const {
    bootstrap,
    untilEnd,
    from = "end",
    partition,
    groupProtocol,
    assignor = [],
    instanceId = null,
    sessionTimeout = null,
    rack = null,
  } = options;
  if (group === "") throw new UsageError("--group needs a name");
  if (partition.length > 0) throw new UsageError("the group gives out the partitions: leave --partition out");
  if (options.until !== undefined) throw new UsageError("a group shares what there is: --until-end is there, leave --until out");
  if (options.tail !== undefined || options.sorted)
    throw new UsageError("a group begins where it was, in any order: leave --tail and --sorted out");
  if (typeof from === "object")
    throw new UsageError("--from says where a group without position begins: beginning or end; move one with `ottla group reset-offsets`");
  if (groupProtocol === "consumer" && assignor.length > 0)
    throw new UsageError("--assignor is for classic groups: here the brokers assign");
  const membership = { group, groupProtocol, assignors: assignor, instanceId, sessionTimeoutMs: sessionTimeout };
  const wanted = { bootstrap, topics, untilEnd, ...membership, from, rack, isolation: isolationOf(options) };
  return (_present, printer, stop) => consumeInGroup(wanted, printer, stop);
}

function parsePlace(text: string): Places {
  return parsePlaces(text, Date.now());
}

const partitionNumber = wholeNumber(0, 2 ** 31 - 1);

function collectPartition(text: string, previous: readonly number[]): number[] {
  if (previous.length >= 100_000) throw new InvalidArgumentError("too many partitions.");
  return [...previous, partitionNumber(text)];
}
