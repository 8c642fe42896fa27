import { resolve } from "node:path";
import type { Command } from "commander";
import { complain } from "../output/complaints.ts";
import { Output } from "../output/output.ts";
import { down } from "../up/down-command.ts";
import { usualFolder } from "../up/local-cluster.ts";
import { wholeNumber } from "./command-options.ts";

interface Options {
  readonly data: string;
  readonly timeout: number;
  readonly json: boolean;
}

export function register(program: Command): void {
  program
    .command("down")
    .description("stop the cluster that `ottla up` runs, and wait until it has stopped; the data stays")
    .option("--data <directory>", "the one that `ottla up` has", usualFolder)
    .option("--timeout <seconds>", "how long to wait; it goes on stopping after that", wholeNumber(1, 86_400), 60)
    .option("--json", "print JSON, for programs", false)
    .action(async ({ data, timeout, json }: Options) => {
      await down({ folder: resolve(data), timeoutMs: timeout * 1000, json }, new Output(process.stdout), complain);
    });
}
