import { type Command, InvalidArgumentError, Option } from "commander";
import { Admin } from "../../client/admin/admin.ts";
import { type Measure, measures } from "../../placement/plan-contract.ts";
import { UsageError } from "../output/command-failed.ts";
import { tellingRuntime } from "../output/complaints.ts";
import { Output } from "../output/output.ts";
import { tellWaits } from "../output/tell-waits.ts";
import { parseRate } from "../rebalance/rate.ts";
import { showDrain, showRebalance } from "../rebalance/rebalance.ts";
import { withCluster } from "../session/client-session.ts";
import type { Shown } from "../topic/topic-commands.ts";
import { type CommonOptions, wholeNumber, withCommonOptions } from "./command-options.ts";

const operationTimeoutMs = 30_000;
const brokerId = wholeNumber(0, 2 ** 31 - 1);

interface PlanOptions extends CommonOptions {
  readonly dryRun: boolean;
  readonly by: Measure;
  readonly throttle?: number;
}

/** `ottla cluster rebalance` and `ottla cluster drain`. */
export function registerRebalance(cluster: Command): void {
  const rebalance = cluster
    .command("rebalance")
    .description("plan which copies to move so that brokers and racks have their share, with the fewest bytes copied")
    .option("--brokers <ids>", "spread over these, as in 1,2,3, and empty the others; over all unless given", parseBrokers);
  withPlanOptions(rebalance, "what is to be even; copies and preferred leaders are in any case, by number").action(
    (options: PlanOptions & { readonly brokers?: readonly number[] }) =>
      withPlan(options, (admin, shown) => showRebalance(admin, options.brokers ?? null, shownBy(options), shown)),
  );
  const drain = cluster
    .command("drain")
    .description("plan where the copies of a broker go that is to be stopped for good, or does not come back")
    .argument("<broker>", "its id", brokerId);
  withPlanOptions(drain, "by what the others are filled evenly").action((broker: number, options: PlanOptions) =>
    withPlan(options, (admin, shown) => showDrain(admin, broker, shownBy(options), shown)),
  );
}

function withPlanOptions(command: Command, aboutBy: string): Command {
  return withCommonOptions(
    command
      .addOption(new Option("--by <measure>", aboutBy).choices(measures).default("bytes"))
      .option("--throttle <rate>", "for the expected duration: bytes that each broker copies a second, as in 20MB/s", parseRate)
      .option("--dry-run", "only show the plan", false),
  );
}

function shownBy({ by, throttle }: PlanOptions) {
  return { by, bytesPerSecond: throttle ?? null };
}

function withPlan({ bootstrap, json, dryRun }: PlanOptions, work: (admin: Admin, shown: Shown) => Promise<void>): Promise<void> {
  if (!dryRun) throw new UsageError("plans cannot be carried out yet: add --dry-run to see what would be moved");
  return withCluster(bootstrap, async (signal) => {
    await using admin = tellWaits(
      new Admin({ bootstrap, clientId: "ottla-rebalance", operationTimeoutMs, signal, runtime: tellingRuntime }),
    );
    await work(admin, { json, output: new Output(process.stdout) });
  });
}

function parseBrokers(text: string): readonly number[] {
  const ids = text.split(",").map(brokerId);
  if (new Set(ids).size < ids.length) throw new InvalidArgumentError("names a broker twice.");
  return ids;
}
