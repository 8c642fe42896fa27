import { parseArgs } from "node:util";
import { UsageError, wholeNumber } from "../support/command-line-options.ts";

export interface GrowthCommand {
  /** What is there before anything moves, of one copy. */
  readonly megabytes: number;
  readonly partitions: number;
  /** Records per second that are written meanwhile. */
  readonly rate: number;
  /** As `ottla cluster rebalance` and `drain` take it; null: as fast as it goes. */
  readonly throttle: string | null;
  readonly out: string;
}

export const usage =
  "npm run growth -- [--megabytes 2048] [--partitions 60] [--rate 1000] [--throttle 20MB/s] [--out growth-results]\n" +
  "  Three brokers with data and load grow to five, are rebalanced, lose one in the middle, and shrink to three again.";

/** Throws UsageError. */
export function parseCommand(args: readonly string[]): GrowthCommand {
  const options = { megabytes: "2048", partitions: "60", rate: "1000", throttle: "", out: "growth-results" };
  try {
    const known = Object.fromEntries(Object.entries(options).map(([name, value]) => [name, { type: "string" as const, default: value }]));
    const { values } = parseArgs({ args: [...args], options: known });
    const text = (name: keyof typeof options) => String(values[name]);
    return {
      megabytes: wholeNumber("megabytes", text("megabytes")),
      partitions: wholeNumber("partitions", text("partitions")),
      rate: wholeNumber("rate", text("rate")),
      throttle: text("throttle") === "" ? null : text("throttle"),
      out: text("out"),
    };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
