import { UsageError } from "../support/command-line-options.ts";
import type { BenchCommand } from "./command-line.ts";
import type { Scenario } from "./scenario.ts";
import type { System } from "./systems/system.ts";

/** The scenarios that are asked for, in their own order. */
export function selectScenarios(
  all: readonly Scenario[],
  { scenarios, isQuick, cluster }: Pick<BenchCommand, "scenarios" | "isQuick" | "cluster">,
): Scenario[] {
  const unknown = scenarios.find((wanted) => wanted !== "all" && !all.some(({ name }) => beginsWith(name, wanted)));
  if (unknown !== undefined) throw new UsageError(`no scenario begins with "${unknown}": --list shows them`);
  const isWanted = ({ name, extent }: Scenario) => {
    if (scenarios.length > 0) return scenarios.some((wanted) => wanted === "all" || beginsWith(name, wanted));
    return isQuick ? extent === "quick" : extent !== "full";
  };
  return all.filter((scenario) => isWanted(scenario) && (cluster === null || scenario.needsOwnCluster !== true));
}

/** The systems that are asked for; with a cluster that runs already, that one alone unless others are named. */
export function selectSystems(all: readonly System[], { systems, cluster }: Pick<BenchCommand, "systems" | "cluster">): System[] {
  const unknown = systems?.find((wanted) => !all.some(({ name }) => name === wanted));
  if (unknown !== undefined) throw new UsageError(`no system "${unknown}": there are ${all.map(({ name }) => name).join(", ")}`);
  if (systems !== null) return all.filter(({ name }) => systems.includes(name) || name === "cluster");
  return cluster !== null ? all.filter(({ name }) => name === "cluster") : all.filter(({ name }) => !name.endsWith("-small"));
}

/** Neighbours that can share a cluster. */
export function byCluster(scenarios: readonly Scenario[]): readonly (readonly Scenario[])[] {
  const groups = new Map<string, Scenario[]>();
  for (const scenario of scenarios) {
    const key = scenario.cluster === null ? scenario.name : JSON.stringify(scenario.cluster);
    groups.set(key, [...(groups.get(key) ?? []), scenario]);
  }
  return [...groups.values()];
}

/** "rate/1" begins "rate/10" as a text, but is another scenario. */
function beginsWith(name: string, wanted: string): boolean {
  return name === wanted || name.startsWith(wanted.endsWith("/") ? wanted : `${wanted}/`);
}
