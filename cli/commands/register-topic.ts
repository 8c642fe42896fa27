import { type Command, Option } from "commander";
import type { Admin } from "../../client/admin/admin.ts";
import type { TopicPattern } from "../../client/group/topic-watch.ts";
import { collectPattern, namedTopics } from "../consume/topic-patterns.ts";
import { UsageError } from "../output/command-failed.ts";
import { parseRate } from "../rebalance/rate.ts";
import { changeCopies } from "../rebalance/rebalance.ts";
import { withOwnHints } from "../session/own-hints.ts";
import { withAdmin as withAnyAdmin } from "../session/with-admin.ts";
import { confirmDeletion } from "../topic/confirm-deletion.ts";
import { collectCut, deleteRecords, type PartitionCut } from "../topic/cut-partitions.ts";
import { type Election, electionTypes, electLeaders } from "../topic/elect-leaders.ts";
import { type ListOptions, listTopics } from "../topic/list-topics.ts";
import { type DescribeOptions as Described, describeTopics } from "../topic/show-topics.ts";
import { collectConfig, parseReplicaAssignment } from "../topic/topic-arguments.ts";
import { alterTopic, createTopic, deleteTopics, type Shown } from "../topic/topic-commands.ts";
import { type CommonOptions, collect, wholeNumber, withCommonOptions } from "./command-options.ts";
import { withMoves } from "./register-rebalance.ts";
import { onceOrWatched, type WatchOptions, withWatch } from "./watch-option.ts";

const partitionsMax = 100_000;
const patternsText = "names, patterns such as 'orders-*', or regular expressions such as '/^orders-/'";

export function register(program: Command): void {
  const topic = program.command("topic").description("make, look at, change and delete topics");
  registerCreate(topic);
  registerList(topic);
  registerDescribe(topic);
  registerAlter(topic);
  registerDelete(topic);
  registerDeleteRecords(topic);
  registerElectLeaders(topic);
}

function withAdmin(options: WatchOptions, work: (admin: Admin, shown: Shown, stop: AbortSignal) => Promise<void>): Promise<void> {
  return withAnyAdmin(options, "ottla-topic", (admin, stop) => onceOrWatched(options, stop, (shown) => work(admin, shown, stop)));
}

function registerList(topic: Command): void {
  const list = topic
    .command("list")
    .description("all topics with their records, size and rate (of the last minute); where a program reads, their names, one a line")
    .argument("[topics...]", `only these: ${patternsText}`, collectPattern)
    .option("--internal", "those that the cluster keeps for itself, too", false)
    .option("--long", "the table where a program reads, too", false);
  withCommonOptions(withWatch(list)).action((patterns: readonly TopicPattern[] = [], options: WatchOptions & ListOptions) =>
    withAdmin(options, async (admin, shown) => {
      const only = patterns.length === 0 ? null : await namedTopics(admin, patterns);
      await listTopics(admin, { ...options, only }, shown);
    }),
  );
}

interface CreateOptions extends CommonOptions {
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly config: Readonly<Record<string, string>>;
  readonly replicaAssignment?: number[][];
  readonly ifNotExists: boolean;
}

function registerCreate(topic: Command): void {
  const create = topic
    .command("create")
    .description("make a topic")
    .argument("<name>")
    .option("--partitions <count>", "the brokers' num.partitions unless given", wholeNumber(1, partitionsMax))
    .option("--replication-factor <count>", "copies of each; the brokers' default.replication.factor unless given", wholeNumber(1, 32_767))
    .option("--config <name=value>", "a setting of the topic; may be repeated", collectConfig, {})
    .option("--replica-assignment <ids>", "replicas of each partition, the preferred leader first: 1:2:3,2:3:1", parseReplicaAssignment)
    .option("--if-not-exists", "fine when it exists already", false);
  withCommonOptions(create).action(async (name: string, options: CreateOptions) => {
    const { partitions, replicationFactor, replicaAssignment: assignment, config: configs, ifNotExists } = options;
    if (assignment !== undefined && (partitions !== undefined || replicationFactor !== undefined))
      throw new UsageError(
        "--replica-assignment says how many partitions and copies there are; leave --partitions and --replication-factor out",
      );
    const wanted = { name, configs, partitions, replicationFactor, assignment };
    const hints = { INVALID_REPLICATION_FACTOR: "see `ottla cluster describe` for how many brokers live" };
    await withAdmin(options, (admin, shown) => withOwnHints(createTopic(admin, withoutUndefined(wanted), ifNotExists, shown), hints));
  });
}

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;
}

type DescribeOptions = WatchOptions & Described;

function registerDescribe(topic: Command): void {
  const describe = topic
    .command("describe")
    .description("partitions, leaders, copies and sizes of topics, all of them unless named")
    .argument("[topics...]", patternsText, collectPattern)
    .option("--configs", "their settings too", false)
    .option("--offsets", "where each partition begins and ends too", false)
    .option("--under-replicated", "only partitions that lack copies or a leader", false)
    .option("--internal", "topics that the cluster keeps for itself, too", false);
  withCommonOptions(withWatch(describe)).action((patterns: readonly TopicPattern[] = [], options: DescribeOptions) =>
    withAdmin(options, async (admin, shown) => describeTopics(admin, await namedTopics(admin, patterns), options, shown)),
  );
}

interface AlterOptions extends CommonOptions {
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly config: Readonly<Record<string, string>>;
  readonly deleteConfig: readonly string[];
  readonly throttle?: number;
}

function registerAlter(topic: Command): void {
  const alter = topic
    .command("alter")
    .description("add partitions or copies to a topic, change its settings")
    .argument("<name>")
    .option("--partitions <count>", "the new total; keys may then go to other partitions than before", wholeNumber(1, partitionsMax))
    .option("--replication-factor <count>", "copies of each partition; waits until they are made", wholeNumber(1, 32_767))
    .option("--throttle <rate>", "with --replication-factor: each broker copies so much a second at most, as in 20MB/s", parseRate)
    .option("--config <name=value>", "set a setting; may be repeated", collectConfig, {})
    .option("--delete-config <name>", "go back to the brokers' value; may be repeated", collect, []);
  withCommonOptions(alter).action((name: string, options: AlterOptions) => {
    const { partitions, replicationFactor: copies, config, deleteConfig, throttle } = options;
    if (throttle !== undefined && copies === undefined) throw new UsageError("--throttle is for --replication-factor: nothing else copies");
    if (copies !== undefined) {
      if (partitions !== undefined || Object.keys(config).length > 0 || deleteConfig.length > 0)
        throw new UsageError("--replication-factor takes its time: change it by itself");
      return withMoves(options, (carrying) => changeCopies(carrying, name, copies, throttle ?? null));
    }
    const changes = { partitions: partitions ?? null, set: config, delete: deleteConfig };
    return withAdmin(options, (admin, shown) => alterTopic(admin, name, changes, shown));
  });
}

function registerDelete(topic: Command): void {
  const remove = topic
    .command("delete")
    .description("delete topics with all their records")
    .argument("<topics...>", patternsText, collectPattern)
    .option("--if-exists", "fine when there is none", false)
    .option("--yes", "delete what patterns match without asking", false);
  const hints = { UNKNOWN_TOPIC_OR_PARTITION: "see `ottla topic list`, or add --if-exists" };
  withCommonOptions(remove).action((patterns: readonly TopicPattern[], options: DeleteOptions) =>
    withAdmin(options, async (admin, shown, stop) => {
      const names = await namedTopics(admin, patterns, { mayMatchNone: options.ifExists });
      const isSure = options.yes || names.length === 0 || patterns.every((pattern) => typeof pattern === "string");
      if (!isSure) await confirmDeletion("topic", names, { input: process.stdin, output: process.stderr, stop });
      await withOwnHints(deleteTopics(admin, names, options.ifExists, shown), hints);
    }),
  );
}

interface DeleteOptions extends CommonOptions {
  readonly ifExists: boolean;
  readonly yes: boolean;
}

interface DeleteRecordsOptions extends CommonOptions {
  readonly offset: readonly PartitionCut[];
  readonly all: boolean;
}

function registerDeleteRecords(topic: Command): void {
  const remove = topic
    .command("delete-records")
    .description("delete the oldest records of partitions")
    .argument("<name>")
    .option("--offset <partition:offset>", "the first record to keep; `end` keeps none of those there are; may be repeated", collectCut, [])
    .option("--all", "every record of every partition", false);
  withCommonOptions(remove).action((name: string, options: DeleteRecordsOptions) => {
    const { offset: cuts, all } = options;
    if (all === cuts.length > 0) throw new UsageError("say what to delete: --offset PARTITION:OFFSET for each partition, or --all");
    return withAdmin(options, (admin, shown) => deleteRecords(admin, name, all ? null : cuts, shown));
  });
}

interface ElectOptions extends CommonOptions {
  readonly electionType: Election["type"];
  readonly partition: readonly number[];
}

function registerElectLeaders(topic: Command): void {
  const partitionNumber = wholeNumber(0, partitionsMax);
  const type = new Option(
    "--election-type <type>",
    "preferred: the first replica leads; unclean: where nobody does, a replica that lacks records",
  )
    .choices(electionTypes)
    .default("preferred");
  const elect = topic
    .command("elect-leaders")
    .description("elect leaders of topics, all of them unless named")
    .argument("[name...]")
    .addOption(type)
    .option(
      "--partition <number>",
      "only this one of the topic; may be repeated",
      (text, all: number[]) => [...all, partitionNumber(text)],
      [],
    );
  withCommonOptions(elect).action((names: string[], options: ElectOptions) => {
    const { electionType, partition: partitions } = options;
    const topics = [...new Set(names)];
    if (partitions.length > 0 && topics.length !== 1) throw new UsageError("--partition is for one topic: name it");
    // records that only a lost leader had are lost for good
    if (electionType === "unclean" && topics.length === 0) throw new UsageError("an unclean election loses records: name the topics");
    return withAdmin(options, (admin, shown) => electLeaders(admin, { type: electionType, topics, partitions }, shown));
  });
}
