import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { type Command, Option } from "commander";
import type { Admin } from "../../client/admin/admin.ts";
import type { TopicPattern } from "../../client/group/topic-watch.ts";
import { collectPattern } from "../consume/topic-patterns.ts";
import { deleteOffsets } from "../group/delete-offsets.ts";
import { deleteGroups, describeGroups } from "../group/group-commands.ts";
import { namedGroups } from "../group/group-patterns.ts";
import { groupStates, listGroups } from "../group/list-groups.ts";
import { readPositions } from "../group/position-lines.ts";
import { type ResetOrder, resetOffsets } from "../group/reset-offsets.ts";
import { collectSelection, hasTarget, parseDatetime, type ResetOptions, resetTarget, type TopicSelection } from "../group/reset-target.ts";
import { CommandFailed, UsageError } from "../output/command-failed.ts";
import { parseDuration } from "../output/durations.ts";
import { withAdmin as withAnyAdmin } from "../session/with-admin.ts";
import { confirmDeletion } from "../topic/confirm-deletion.ts";
import type { Shown } from "../topic/topic-commands.ts";
import { type CommonOptions, wholeNumber, withCommonOptions } from "./command-options.ts";
import { onceOrWatched, type WatchOptions, withWatch } from "./watch-option.ts";

const patternsText = "names, patterns such as 'billing-*', or regular expressions such as '/^billing-/'";

export function register(program: Command): void {
  const group = program.command("group").description("look at consumer groups, move their positions, delete them");
  const list = group.command("list").description("all groups, what they are doing, how many members they have and how far behind they are");
  list.addOption(new Option("--state <states...>", "only groups in these states").choices(groupStates));
  withCommonOptions(withWatch(list)).action((options: WatchOptions & { readonly state?: readonly string[] }) =>
    withAdmin(options, (admin, shown) => listGroups(admin, options.state ?? null, shown)),
  );
  withCommonOptions(
    withWatch(group.command("describe"))
      .description("members, what each of them has, how far it is and how far behind")
      .argument("<group...>", patternsText, collectPattern),
  ).action((patterns: readonly TopicPattern[], options: WatchOptions) =>
    withAdmin(options, async (admin, shown) => describeGroups(admin, await namedGroups(admin, patterns), shown)),
  );
  registerReset(group);
  withCommonOptions(
    group
      .command("delete-offsets")
      .description("forget a group's positions in topics that no member subscribes to")
      .argument("<group>")
      .requiredOption("--topic <topic[:0,1]>", "a topic, or some of its partitions; may be repeated", collectTopic),
  ).action((name: string, options: CommonOptions & { readonly topic: readonly TopicSelection[] }) =>
    withAdmin(options, (admin, shown) => deleteOffsets(admin, name, options.topic, shown)),
  );
  registerDelete(group);
}

function registerDelete(group: Command): void {
  const remove = group
    .command("delete")
    .description("forget groups and their positions; they must have no members")
    .argument("<group...>", patternsText, collectPattern)
    .option("--yes", "delete what patterns match without asking", false);
  withCommonOptions(remove).action((patterns: readonly TopicPattern[], options: CommonOptions & { readonly yes: boolean }) =>
    withAdmin(options, async (admin, shown, stop) => {
      const names = await namedGroups(admin, patterns);
      const isSure = options.yes || patterns.every((pattern) => typeof pattern === "string");
      if (!isSure) await confirmDeletion("group", names, { input: process.stdin, output: process.stderr, stop });
      await deleteGroups(admin, names, shown);
    }),
  );
}

function withAdmin(options: WatchOptions, work: (admin: Admin, shown: Shown, stop: AbortSignal) => Promise<void>): Promise<void> {
  return withAnyAdmin(options, "ottla-group", (admin, stop) => onceOrWatched(options, stop, (shown) => work(admin, shown, stop)));
}

interface Options extends CommonOptions, ResetOptions {
  readonly topic: readonly TopicSelection[];
  readonly allTopics: boolean;
  readonly fromFile?: string;
  readonly dryRun: boolean;
}

function collectTopic(topic: string, previous: readonly TopicSelection[] = []): TopicSelection[] {
  return collectSelection(topic, previous);
}

function registerReset(group: Command): void {
  const reset = group
    .command("reset-offsets")
    .description("move a group's positions, so that records are consumed again, or passed over; it must have no members")
    .argument("<group>")
    .option("--topic <topic[:0,1]>", "a topic, or some of its partitions; may be repeated", collectSelection, [])
    .option("--all-topics", "every topic that the group has positions in", false)
    .option("--to-earliest", "to the beginning of each partition")
    .option("--to-latest", "to the end of each partition")
    .option("--to-offset <offset>", "to this offset, or the nearest that there is", wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .option("--to-datetime <time>", "to the first record from a time on: 2026-07-01T12:00:00Z, or milliseconds since 1970", parseDatetime)
    .option("--by-duration <duration>", "to the first record since so long ago: 90s, 15m, 2h, 7d, P1DT2H", parseDuration)
    .option(
      "--shift-by <records>",
      "so many records on, or back with a number below zero",
      wholeNumber(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
    )
    .option("--from-file <path>", "to those in a file (- is standard input), a line each: TOPIC,PARTITION,OFFSET, also with tabs or blanks")
    .option("--dry-run", "only show what would be done", false);
  withCommonOptions(reset).action(async (name: string, options: Options) => {
    const { fromFile, topic: selections, allTopics, dryRun } = options;
    const move = (order: Pick<ResetOrder, "selections" | "target">) =>
      withAdmin(options, (admin, shown) => resetOffsets(admin, { group: name, ...order, dryRun, nowMs: Date.now() }, shown));
    if (fromFile !== undefined) {
      if (allTopics || selections.length > 0 || hasTarget(options))
        throw new UsageError("--from-file says which partitions and where to: leave the other options out");
      const { offsets, selections: inFile } = await positionsIn(fromFile);
      return move({ selections: inFile, target: { kind: "each", offsets } });
    }
    const target = resetTarget(options);
    if (allTopics === selections.length > 0) throw new UsageError("name topics with --topic, or take them all with --all-topics");
    return move({ selections, target });
  });
}

async function positionsIn(path: string) {
  if (path === "-") return readPositions(await text(process.stdin), "standard input");
  const content = await readFile(path, "utf8").catch((error: Error) => {
    throw new CommandFailed(`${path} cannot be read: ${error.message}`, { cause: error });
  });
  return readPositions(content, path);
}
