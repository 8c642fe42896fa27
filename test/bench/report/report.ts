import type { Result } from "../conduct.ts";
import type { Machine } from "../machine.ts";
import type { Pace, Scenario } from "../scenario.ts";
import type { System } from "../systems/system.ts";
import { summarize } from "./summary.ts";

/** All that a run found, and on what. */
export interface Report {
  /** ISO 8601. */
  readonly startedAt: string;
  /** Of the command line. */
  readonly args: readonly string[];
  readonly machine: Machine;
  readonly pace: Pace;
  readonly rounds: number;
  /** The first is compared with the others. */
  readonly systems: readonly System[];
  readonly scenarios: readonly Scenario[];
  /** Systems that could not be had, and why. */
  readonly leftOut: readonly string[];
  /** What all brokers were given, by Kafka's names. */
  readonly settings: Readonly<Record<string, string | number>>;
  readonly results: readonly Result[];
}

export function reportAsJson(report: Report): string {
  const { systems, scenarios, results, ...rest } = report;
  const summary = summarize(results).map(({ bySystem, ...row }) => ({ ...row, bySystem: Object.fromEntries(bySystem) }));
  const whole = {
    ...rest,
    systems: systems.map(({ name, title }) => ({ name, title })),
    scenarios: scenarios.map(({ name, what }) => ({ name, what })),
    summary,
    results,
  };
  return `${JSON.stringify(whole, null, 1)}\n`;
}
