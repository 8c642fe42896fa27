import { parseArgs } from "node:util";
import { names, UsageError, wholeNumber } from "../support/command-line-options.ts";

export interface BenchCommand {
  /** Beginnings of scenarios' names; empty: those of the extent. */
  readonly scenarios: readonly string[];
  /** Null: all that suit. */
  readonly systems: readonly string[] | null;
  readonly rounds: number;
  readonly isQuick: boolean;
  readonly isList: boolean;
  /** Brokers that run already. */
  readonly cluster: readonly string[] | null;
  readonly measuredSeconds: number | null;
  readonly soakMinutes: number;
  readonly out: string;
  /** Growth curves are written as SVG files, too. */
  readonly hasCharts: boolean;
  /** The longest that a new cluster is loaded before it is measured. */
  readonly warmSecondsMax: number | null;
}

export const usage = `npm run bench -- [options]
  --scenario A,B     those whose names begin so (--list shows them); "all": every one
  --systems A,B      of ottla, kafka-3.9, kafka-4, kafka-3.9-small, kafka-4-small, floor
  --rounds N         how often each is measured, the systems taking turns (3; 1 with --quick)
  --seconds N        of measured load in each scenario (15; 5 with --quick)
  --warm-seconds N   at most, before a new cluster is measured; it ends when the rate is steady (60)
  --soak-minutes N   of the scenario "soak" (30)
  --quick            a small selection, in under three minutes
  --cluster H:P,...  measure brokers that run already, here or elsewhere
  --out DIR          where the report goes (bench-results)
  --charts           the growth curves as SVG files, too
  --list             show the scenarios and systems, and end`;

export function parseCommand(args: readonly string[]): BenchCommand {
  const { values } = parse(args);
  const isQuick = values.quick;
  return {
    scenarios: names(values.scenario),
    systems: values.systems === undefined ? null : names(values.systems),
    rounds: wholeNumber("rounds", values.rounds ?? (isQuick ? "1" : "3")),
    isQuick,
    isList: values.list,
    cluster: values.cluster === undefined ? null : names(values.cluster),
    measuredSeconds: values.seconds === undefined ? null : wholeNumber("seconds", values.seconds),
    soakMinutes: wholeNumber("soak-minutes", values["soak-minutes"]),
    out: values.out,
    hasCharts: values.charts,
    warmSecondsMax: values["warm-seconds"] === undefined ? null : wholeNumber("warm-seconds", values["warm-seconds"]),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        scenario: { type: "string", default: "" },
        systems: { type: "string" },
        rounds: { type: "string" },
        seconds: { type: "string" },
        "soak-minutes": { type: "string", default: "30" },
        "warm-seconds": { type: "string" },
        quick: { type: "boolean", default: false },
        charts: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        cluster: { type: "string" },
        out: { type: "string", default: "bench-results" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
