import type { Command } from "commander";
import { nodeFileSystem } from "../../broker/disk-format.ts";
import { openZookeeper } from "../../coordinator-client/zookeeper-coordinator.ts";
import { silentLogger } from "../../protocol/base/logger.ts";
import { nodeClientClock } from "../../protocol/node/node-clock.ts";
import { nodeRandom } from "../../protocol/node/node-random.ts";
import { Output } from "../output/output.ts";
import { progress } from "../output/progress.ts";
import { printInventories, recoverCluster } from "../recover/recover-command.ts";
import { wholeNumber } from "./command-options.ts";
import { parseZookeeper } from "./zookeeper-option.ts";

const brokerIdMax = 2 ** 31 - 1;
const sessionTimeoutMs = 10_000;

interface RecoverOptions {
  readonly zookeeper: string;
  readonly without: readonly number[];
  readonly execute: boolean;
  readonly json: boolean;
}

export function registerRecover(cluster: Command): void {
  cluster
    .command("inventory")
    .description(
      "what a broker's log directories say of their cluster; with --json for `cluster recover` on another machine; changes nothing",
    )
    .argument("<dir...>", "all log directories of a broker (log.dirs)")
    .option("--json", "print JSON, for programs", false)
    .action((directories: string[], { json }: { readonly json: boolean }) => printInventories(directories, json, parts()));
  cluster
    .command("recover")
    .description(
      "rebuild a lost ZooKeeper from the brokers' disks: topics, ids, replicas, settings; shows what it would write, and writes it with --execute",
    )
    .argument("<path...>", "all log directories of all brokers, or files that `cluster inventory --json` made of them")
    .requiredOption("--zookeeper <host:port,...>", "the new, empty ZooKeeper, with the chroot that the brokers use", parseZookeeper)
    .option("--without <broker>", "a broker whose disks are lost; may be repeated", collectBroker, [])
    .option("--execute", "write it", false)
    .option("--json", "print JSON, for programs", false)
    .action(async (paths: string[], options: RecoverOptions) => {
      const open = () =>
        openZookeeper({
          connectionString: options.zookeeper,
          sessionTimeoutMs,
          clock: nodeClientClock,
          random: nodeRandom,
          log: silentLogger,
        });
      await recoverCluster(paths, { ...options, without: new Set(options.without) }, { ...parts(), open });
    });
}

function parts() {
  return { files: nodeFileSystem(), output: new Output(process.stdout), progress, nowMs: Date.now() };
}

function collectBroker(text: string, previous: readonly number[]): number[] {
  return [...previous, wholeNumber(0, brokerIdMax)(text)];
}
