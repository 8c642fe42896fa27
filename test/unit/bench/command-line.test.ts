import { describe, expect, test } from "vitest";
import { parseCommand } from "../../bench/command-line.ts";
import type { Scenario } from "../../bench/scenario.ts";
import { byCluster, selectScenarios, selectSystems } from "../../bench/selection.ts";
import type { System } from "../../bench/systems/system.ts";
import { UsageError } from "../../support/command-line-options.ts";

describe("what is asked for", () => {
  test("three rounds, one when it is to be quick, unless told", () => {
    expect(parseCommand([]).rounds).toBe(3);
    expect(parseCommand(["--quick"]).rounds).toBe(1);
    expect(parseCommand(["--quick", "--rounds", "5"]).rounds).toBe(5);
  });

  test("how long a cluster is warmed, and whether charts are files", () => {
    expect(parseCommand([])).toMatchObject({ warmSecondsMax: null, hasCharts: false });
    expect(parseCommand(["--warm-seconds", "240", "--charts"])).toMatchObject({ warmSecondsMax: 240, hasCharts: true });
    expect(() => parseCommand(["--warm-seconds", "0"])).toThrow(UsageError);
  });

  test("what cannot be understood is an error of usage", () => {
    expect(() => parseCommand(["--rounds", "none"])).toThrow(UsageError);
    expect(() => parseCommand(["--fast"])).toThrow(UsageError);
    expect(() => selectScenarios(scenarios, command(["--scenario", "prod"]))).toThrow(/no scenario begins with "prod"/);
    expect(() => selectSystems(systems, command(["--systems", "redpanda"]))).toThrow(UsageError);
  });

  test("scenarios go by whole steps of their names", () => {
    expect(selected(["--scenario", "rate/1"])).toEqual(["rate/1"]);
    expect(selected(["--scenario", "rate,idle"])).toEqual(["idle", "rate/1", "rate/10"]);
    expect(selected(["--scenario", "all"])).toHaveLength(scenarios.length);
  });

  test("without names the extent decides", () => {
    expect(selected(["--quick"])).toEqual(["idle"]);
    expect(selected([])).toEqual(["idle", "rate/1", "failover"]);
  });

  test("a cluster that runs already is not killed, and is measured alone unless others are named", () => {
    const elsewhere = ["--cluster", "a:9092,b:9092"];
    expect(selected(elsewhere)).toEqual(["idle", "rate/1"]);
    expect(selectSystems(systems, command(elsewhere)).map(({ name }) => name)).toEqual(["cluster"]);
    expect(selectSystems(systems, command([...elsewhere, "--systems", "ottla"])).map(({ name }) => name)).toEqual(["ottla", "cluster"]);
  });

  test("scenarios that want equal clusters share one; those that start their own do not", () => {
    const groups = byCluster(scenarios).map((group) => group.map(({ name }) => name));
    expect(groups).toEqual([["idle", "rate/1", "rate/10"], ["failover"]]);
  });
});

const scenarios: readonly Scenario[] = [
  scenario("idle", "quick"),
  scenario("rate/1", "standard"),
  scenario("rate/10", "full"),
  { ...scenario("failover", "standard"), cluster: null, needsOwnCluster: true },
];

const systems = ["ottla", "kafka-3.9", "kafka-3.9-small", "cluster"].map((name) => ({ name }) as System);

function scenario(name: string, extent: Scenario["extent"]): Scenario {
  return { name, what: "", cluster: { brokers: 3 }, speaks: ["kafka"], extent, run: () => Promise.resolve({ figures: [] }) };
}

function command(args: readonly string[]) {
  return parseCommand(args);
}

function selected(args: readonly string[]): string[] {
  return selectScenarios(scenarios, command(args)).map(({ name }) => name);
}
