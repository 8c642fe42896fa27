import type { Command } from "commander";
import { alterCluster } from "../cluster/cluster-configs.ts";
import { describeCluster } from "../cluster/show-cluster.ts";
import { Output } from "../output/output.ts";
import { withCluster } from "../session/client-session.ts";
import { withAdmin } from "../session/with-admin.ts";
import { collectConfig } from "../topic/topic-arguments.ts";
import { type CommonOptions, collect, wholeNumber, withCommonOptions } from "./command-options.ts";
import { registerLogDirectories } from "./register-log-dirs.ts";
import { registerRebalance } from "./register-rebalance.ts";
import { registerRecover } from "./register-recover.ts";
import { onceOrWatched, type WatchOptions, withWatch } from "./watch-option.ts";

const brokerIdMax = 2 ** 31 - 1;

export function register(program: Command): void {
  const cluster = program.command("cluster").description("look at a cluster, change its brokers' settings");
  registerDescribe(cluster);
  registerAlter(cluster);
  registerRebalance(cluster);
  registerLogDirectories(cluster);
  registerRecover(cluster);
}

interface DescribeOptions extends WatchOptions {
  readonly timeout: number;
  readonly configs: boolean;
  readonly check: boolean;
  readonly broker?: number;
}

function registerDescribe(cluster: Command): void {
  const command = cluster
    .command("describe")
    .description("its id, controller, brokers and health; exit code 1 when no broker answers")
    .option("--configs", "what the brokers are set to, apart from defaults, too", false)
    .option("--broker <id>", "all settings of this broker too", wholeNumber(0, brokerIdMax))
    .option("--check", "exit code 1 also when partitions are offline or under-replicated, or a broker with replicas is missing", false)
    .option("--timeout <seconds>", "how long to try", wholeNumber(1, 3600), 10);
  withCommonOptions(withWatch(command)).action(async (options: DescribeOptions) => {
    const { bootstrap, timeout, configs, broker, check, watch } = options;
    const giveUpAtMs = performance.now() + timeout * 1000;
    const configsOf = broker ?? (configs ? "all" : null);
    const describe = (stop: AbortSignal) =>
      onceOrWatched(options, stop, (shown) => {
        // each look of those who watch has the whole time
        const timeoutMs = watch === undefined ? Math.max(1, giveUpAtMs - performance.now()) : timeout * 1000;
        return describeCluster({ bootstrap, timeoutMs, configsOf, mustBeWell: check }, shown, stop);
      });
    await withCluster(bootstrap, describe, timeout * 1000);
  });
}

interface AlterOptions extends CommonOptions {
  readonly broker?: number;
  readonly config: Readonly<Record<string, string>>;
  readonly deleteConfig: readonly string[];
}

function registerAlter(cluster: Command): void {
  const alter = cluster
    .command("alter")
    .description("change settings of brokers while they run")
    .option("--broker <id>", "of this broker; of all brokers unless given", wholeNumber(0, brokerIdMax))
    .option("--config <name=value>", "set a setting; may be repeated", collectConfig, {})
    .option("--delete-config <name>", "go back to what the broker was started with; may be repeated", collect, []);
  withCommonOptions(alter).action((options: AlterOptions) => {
    const { json, broker = null, config, deleteConfig } = options;
    const changes = { set: config, delete: deleteConfig };
    return withAdmin(options, "ottla-cluster", (admin) =>
      alterCluster(admin, broker, changes, { json, output: new Output(process.stdout) }),
    );
  });
}
