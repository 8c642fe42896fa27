import { resolve } from "node:path";
import type { Command } from "commander";
import { Output } from "../output/output.ts";
import { showStatus } from "../status/status-command.ts";
import { usualFolder } from "../up/local-cluster.ts";

interface Options {
  readonly data: string;
  readonly json: boolean;
}

export function register(program: Command): void {
  program
    .command("status")
    .description("the cluster that `ottla up` runs in a folder: its servers, and whether all is well; exit code 1 when it is not")
    .option("--data <directory>", "the one that `ottla up` has", usualFolder)
    .option("--json", "print JSON, for programs", false)
    .action(async ({ data, json }: Options) => {
      // the client's timers do not keep the process alive
      const alive = setInterval(() => {}, 2 ** 30);
      const stop = new AbortController().signal;
      const healthy = await showStatus({ folder: resolve(data), json, nowMs: Date.now() }, new Output(process.stdout), stop).finally(() =>
        clearInterval(alive),
      );
      if (!healthy) process.exitCode = 1;
    });
}
