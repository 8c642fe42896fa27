import { type Command, InvalidArgumentError } from "commander";
import { nodeFileSystem } from "../../broker/disk-format.ts";
import { dumpFiles, type LogDumpOptions } from "../offline/dump/dump-files.ts";
import { listStrays } from "../offline/list-strays.ts";
import { type LogVerifyOptions, verifyDirectories } from "../offline/verify/verify-command.ts";
import { Output } from "../output/output.ts";
import { progress } from "../output/progress.ts";

export function register(program: Command): void {
  const log = program.command("log").description("look into a broker's files");
  log
    .command("dump")
    .description("print what is in files of a log directory: segments, indexes, snapshots, checkpoints; exit code 1 when one is damaged")
    .argument(
      "<file...>",
      "*.log, *.index, *.timeindex, *.snapshot, leader-epoch-checkpoint, *-offset-checkpoint, partition.metadata, meta.properties, ottla-*",
    )
    .option("--records", "the records in each batch of a segment", false)
    .option("--values", "with their keys and values (implies --records)", false)
    .option("--groups", "what records of __consumer_offsets say: committed offsets and groups (implies --records)", false)
    .option("--json", "a JSON object per line, for programs", false)
    .action(async (paths: string[], { records, values, groups, json }: LogDumpOptions) => {
      await dumpFiles(paths, { records: records || values || groups, values, groups, json }, nodeFileSystem(), new Output(process.stdout));
    });
  log
    .command("verify")
    .description(
      "check all of a stopped broker's logs, changing nothing; exit code 1, and the first problem's place, when one is not sound",
    )
    .argument("<dir...>", "log directories, or folders of single partitions")
    .option("--deep", "look into the batches too: decompress them and decode every record", false)
    .option(
      "--compacted <topics>",
      "topics, with commas between, whose offsets may have gaps (cleanup.policy=compact); not needed for logs that were compacted here",
      commaSeparated,
      [],
    )
    .option(
      "--producer-expiration <ms>",
      "producer.id.expiration.ms of the broker: who was silent for longer may be missing in snapshots",
      millis,
      86_400_000,
    )
    .option("--force", "also when a broker runs on a directory", false)
    .option("--json", "a JSON object per line, for programs", false)
    .action(async (paths: string[], options: LogVerifyOptions) => {
      await verifyDirectories(paths, options, { files: nodeFileSystem(), output: new Output(process.stdout), progress, nowMs: Date.now() });
    });
  log
    .command("strays")
    .description("list the logs that were set aside because the cluster did not know them any more; also while the broker runs")
    .argument("<dir...>", "log directories")
    .option("--json", "a JSON object per line, for programs", false)
    .action(async (paths: string[], options: { readonly json: boolean }) => {
      await listStrays(paths, options, nodeFileSystem(), new Output(process.stdout));
    });
}

function commaSeparated(text: string): string[] {
  return text
    .split(",")
    .map((topic) => topic.trim())
    .filter((topic) => topic !== "");
}

function millis(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("a number of milliseconds is needed");
  return Number(text);
}
