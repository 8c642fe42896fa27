import type { Command } from "commander";
import { describeCluster } from "../cluster/describe-cluster.ts";
import { Output } from "../output/output.ts";
import { withCluster } from "./client-session.ts";
import { registerLogDirectories } from "./log-directories.ts";
import { type CommonOptions, wholeNumber, withCommonOptions } from "./options.ts";

export function registerCluster(program: Command): void {
  const cluster = program.command("cluster").description("look at a cluster");
  const command = cluster
    .command("describe")
    .description("its id, controller, brokers and health; exit code 1 when no broker answers")
    .option("--timeout <seconds>", "how long to try", wholeNumber(1, 3600), 10);
  withCommonOptions(command).action(async ({ bootstrap, json, timeout }: CommonOptions & { readonly timeout: number }) => {
    const giveUpAtMs = performance.now() + timeout * 1000;
    const describe = (stop: AbortSignal) => {
      const timeoutMs = Math.max(1, giveUpAtMs - performance.now());
      return describeCluster({ bootstrap, json, timeoutMs }, new Output(process.stdout), stop);
    };
    await withCluster(bootstrap, describe, timeout * 1000);
  });
  registerLogDirectories(cluster);
}
