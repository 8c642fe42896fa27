import { type Command, Option } from "commander";
import { Admin } from "../../client/admin/admin.ts";
import { UsageError } from "../output/command-failed.ts";
import { tellingRuntime } from "../output/complaints.ts";
import { Output } from "../output/output.ts";
import { withCluster } from "../session/client-session.ts";
import { ClusterReader, type View, views } from "../top/cluster-reader.ts";
import { top } from "../top/top-command.ts";
import { firstState } from "../top/top-state.ts";
import { viewTables } from "../top/view-tables.ts";
import { type CommonOptions, seconds, wholeNumber, withCommonOptions } from "./command-options.ts";
import { type MetricsOptions, withMetricsOption } from "./metrics-option.ts";

interface TopOptions extends CommonOptions, MetricsOptions {
  readonly view: View;
  readonly interval: number;
  readonly count?: number;
  readonly sort?: string;
  readonly filter?: string;
}

/** A broker that hangs is left out after that. */
const operationTimeoutMs = 5_000;
const countMax = 1_000_000_000;

export function register(program: Command): void {
  const command = program
    .command("top")
    .description("a live screen of brokers, topics or groups: load, rates, sizes, lag; elsewhere a table, or JSON, per interval")
    .addOption(new Option("--view <name>", "what to begin with").choices(views).default("brokers"))
    .option("--interval <seconds>", "how often it is looked at", seconds(0.2), 2)
    .option("--count <n>", "so many snapshots, one after the other, and then the end", wholeNumber(1, countMax))
    .option("--sort <column>", "by which column to begin with")
    .option("--filter <text>", "only what has this in its name, to begin with");
  withCommonOptions(withMetricsOption(command)).action(async (options: TopOptions) => {
    const { bootstrap, view, interval, count = null, sort = null, filter = "", json } = options;
    const { head } = viewTables[view];
    if (sort !== null && !head.includes(sort))
      throw new UsageError(`${view} have the columns ${head.filter((name) => name !== "").join(", ")}`);
    await withCluster(bootstrap, async (stop) => {
      await using admin = new Admin({
        bootstrap,
        clientId: "ottla-top",
        operationTimeoutMs,
        requestTimeoutMs: operationTimeoutMs,
        signal: stop,
        runtime: tellingRuntime,
      });
      const everyMs = interval * 1000;
      const { clock } = tellingRuntime;
      const reader = new ClusterReader({ admin, clock, everyMs, metricsNamed: options.metrics, stop });
      const keyboard = process.stdin.isTTY ? process.stdin : null;
      const first = firstState(view, sort, filter);
      await top({ reader, first, everyMs, count, json, output: new Output(process.stdout), keyboard, clock, stop });
    });
  });
}
