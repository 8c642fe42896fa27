import { type Command, InvalidArgumentError, Option } from "commander";
import { type Measure, measures } from "../../placement/plan-contract.ts";
import { Output } from "../output/output.ts";
import { type Carrying, cancelMoves, watchMoves } from "../rebalance/carry-out.ts";
import { parseRate } from "../rebalance/rate.ts";
import { drain, type HowToPlan, rebalance } from "../rebalance/rebalance.ts";
import { withAdmin } from "../session/with-admin.ts";
import { type CommonOptions, wholeNumber, withCommonOptions } from "./command-options.ts";

const brokerId = wholeNumber(0, 2 ** 31 - 1);

interface PlanOptions extends CommonOptions {
  readonly dryRun: boolean;
  readonly by: Measure;
  readonly throttle?: number;
}

interface RebalanceOptions extends PlanOptions {
  readonly brokers?: readonly number[];
  readonly watch: boolean;
  readonly cancel: boolean;
}

/** `ottla cluster rebalance` and `ottla cluster drain`. */
export function registerRebalance(cluster: Command): void {
  const command = cluster
    .command("rebalance")
    .description("move copies so that brokers and racks have their share, with the fewest bytes copied; ending it does not end the moves")
    .option("--brokers <ids>", "spread over these, as in 1,2,3, and empty the others; over all unless given", parseBrokers)
    .addOption(
      new Option("--watch", "show the moves that are under way; with --throttle, at another rate from now on")
        .default(false)
        .conflicts(["cancel", "dryRun"]),
    )
    .addOption(
      new Option("--cancel", "end the moves that are under way, and stay with what was").default(false).conflicts(["dryRun", "throttle"]),
    );
  withPlanOptions(command, "what is to be even; copies and preferred leaders are in any case, by number").action(
    (options: RebalanceOptions) =>
      withMoves(options, (carrying) => {
        if (options.watch) return watchMoves(carrying, options.throttle ?? null);
        if (options.cancel) return cancelMoves(carrying.admin, carrying.shown);
        return rebalance(carrying, options.brokers ?? null, howToPlan(options));
      }),
  );
  const draining = cluster
    .command("drain")
    .description("take its leaderships and copies from a broker that is to be stopped for good, or does not come back")
    .argument("<broker>", "its id", brokerId);
  withPlanOptions(draining, "by what the others are filled evenly").action((broker: number, options: PlanOptions) =>
    withMoves(options, (carrying) => drain(carrying, broker, howToPlan(options))),
  );
}

function withPlanOptions(command: Command, aboutBy: string): Command {
  return withCommonOptions(
    command
      .addOption(new Option("--by <measure>", aboutBy).choices(measures).default("bytes"))
      .option("--dry-run", "only show the plan", false)
      .option("--throttle <rate>", "each broker sends and fetches so much a second at most, as in 20MB/s", parseRate),
  );
}

function howToPlan({ by, throttle, dryRun }: PlanOptions): HowToPlan {
  return { by, dryRun, bytesPerSecond: throttle ?? null };
}

/** `work` gets what moves are begun and watched with. */
export function withMoves(options: CommonOptions, work: (carrying: Carrying) => Promise<void>): Promise<void> {
  const { bootstrap, json } = options;
  return withAdmin(options, "ottla-rebalance", (admin, stop) =>
    work({ admin, bootstrap, stop, shown: { json, output: new Output(process.stdout) } }),
  );
}

function parseBrokers(text: string): readonly number[] {
  const ids = text.split(",").map(brokerId);
  if (new Set(ids).size < ids.length) throw new InvalidArgumentError("names a broker twice.");
  return ids;
}
