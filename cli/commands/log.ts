import type { Command } from "commander";
import { nodeFileSystem } from "../../broker/runtime/node-files.ts";
import { dumpFiles, type LogDumpOptions } from "../log-dump/dump-files.ts";
import { Output } from "../output/output.ts";

export function registerLog(program: Command): void {
  program
    .command("log")
    .description("look into a broker's files")
    .command("dump")
    .description("print what is in files of a log directory: segments, indexes, checkpoints; exit code 1 when one is damaged")
    .argument("<file...>", "*.log, *.index, *.timeindex, leader-epoch-checkpoint, *-offset-checkpoint, partition.metadata, meta.properties")
    .option("--records", "the records in each batch of a segment", false)
    .option("--values", "with their keys and values (implies --records)", false)
    .option("--json", "a JSON object per line, for programs", false)
    .action(async (paths: string[], { records, values, json }: LogDumpOptions) => {
      await dumpFiles(paths, { records: records || values, values, json }, nodeFileSystem(), new Output(process.stdout));
    });
}
