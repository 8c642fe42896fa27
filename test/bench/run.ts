// Measures clusters from outside, Ottla's and Apache Kafka's by turns: `npm run bench -- --list` shows what. See docs/performance.md.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "../support/command-line-options.ts";
import { type BenchCommand, parseCommand, usage } from "./command-line.ts";
import { conduct, type Result } from "./conduct.ts";
import { describeMachine, machineAsText } from "./machine.ts";
import { lineChartFile } from "./report/charts.ts";
import { htmlReport } from "./report/html.ts";
import { curvesOf } from "./report/lines.ts";
import { type Report, reportAsJson } from "./report/report.ts";
import { chartFileStyle } from "./report/style.ts";
import { summarize } from "./report/summary.ts";
import { tableOf } from "./report/table.ts";
import type { Pace, Scenario } from "./scenario.ts";
import { allScenarios } from "./scenarios/all.ts";
import { selectScenarios, selectSystems } from "./selection.ts";
import { floor } from "./systems/floor.ts";
import { kafkas } from "./systems/kafka.ts";
import { ottla } from "./systems/ottla.ts";
import { outsideCluster } from "./systems/outside-cluster.ts";
import { commonSettings, type System } from "./systems/system.ts";

const stoppedCode = 130;
const say = (line: string) => void process.stdout.write(`${line}\n`);

/** The first of those that are measured is compared with the others. */
function knownSystems({ cluster }: BenchCommand): readonly System[] {
  return [ottla, ...(cluster === null ? [] : [outsideCluster(cluster)]), ...kafkas, floor];
}

/** Those that can be had here, and why the others cannot. */
async function present(systems: readonly System[]): Promise<{ readonly systems: readonly System[]; readonly leftOut: readonly string[] }> {
  const found = await Promise.all(systems.map(async (system) => ({ system, missing: await system.missing() })));
  return {
    systems: found.filter(({ missing }) => missing === null).map(({ system }) => system),
    leftOut: found.flatMap(({ system, missing }) => (missing === null ? [] : [`${system.name}: ${missing}`])),
  };
}

function paceOf({ isQuick, measuredSeconds, warmSecondsMax, soakMinutes }: BenchCommand): Pace {
  const quick = { measuredSeconds: 5, discardedSeconds: 2, warmSecondsMax: 5 };
  const usual = isQuick ? quick : { measuredSeconds: 15, discardedSeconds: 10, warmSecondsMax: 60 };
  return {
    isQuick,
    measuredSeconds: measuredSeconds ?? usual.measuredSeconds,
    discardedSeconds: usual.discardedSeconds,
    warmSecondsMax: warmSecondsMax ?? usual.warmSecondsMax,
    soakMinutes,
  };
}

function list(scenarios: readonly Scenario[], systems: readonly System[]): void {
  for (const { name, extent, what } of scenarios) say(`${name.padEnd(40)} ${extent.padEnd(8)} ${what}`);
  say("");
  for (const { name, title } of systems) say(`${name.padEnd(16)} ${title}`);
}

function show({ scenario, system, outcome, failure }: Result): void {
  if (failure !== null) return say(`  ${scenario}: FAILED on ${system}: ${failure.split("\n")[0]}`);
  const { figures, notes = [] } = outcome;
  const [first] = figures;
  say(`  ${scenario}: ${first === undefined ? "no figures" : `${first.name} ${first.value.toFixed(2)} ${first.unit}`}`);
  for (const note of notes) say(`    ${note}`);
}

async function writeReport(report: Report, { out, hasCharts }: BenchCommand): Promise<void> {
  await mkdir(out, { recursive: true });
  const name = report.startedAt.replaceAll(":", "-").replace(/\.\d+Z$/, "");
  await writeFile(join(out, `${name}.json`), reportAsJson(report));
  await writeFile(join(out, `${name}.html`), htmlReport(report));
  for (const { title, chart } of hasCharts ? curvesOf(report, summarize(report.results)) : []) {
    const file = join(out, `${title.replaceAll(/[^a-z0-9]+/gi, "-").toLowerCase()}.svg`);
    await writeFile(file, lineChartFile(title, chart, chartFileStyle));
  }
  say(`\n${join(out, `${name}.html`)} and .json`);
}

/** Measures, and says how it goes. A Ctrl-C ends it early: what was found by then is in the report. */
async function measure(command: BenchCommand, args: readonly string[], signal: AbortSignal): Promise<Report> {
  const known = knownSystems(command);
  const [wanted, scenarios, pace] = [selectSystems(known, command), selectScenarios(allScenarios, command), paceOf(command)];
  const machine = describeMachine();
  say(machineAsText(machine));
  const { systems, leftOut } = await present(wanted);
  for (const line of leftOut) say(`left out  ${line}`);
  const results: Result[] = [];
  const startedAt = new Date().toISOString();
  const found = (result: Result) => {
    results.push(result);
    show(result);
  };
  await conduct({ scenarios, systems, rounds: command.rounds, pace, signal, say, found }).catch((error) => {
    if (!signal.aborted) throw error;
  });
  const settings = commonSettings({ brokers: 3 });
  return { startedAt, args, machine, pace, rounds: command.rounds, systems, scenarios, leftOut, settings, results };
}

/** True when every scenario gave its figures. */
async function bench(args: readonly string[], signal: AbortSignal): Promise<boolean> {
  const command = parseCommand(args);
  if (command.isList) {
    list(allScenarios, knownSystems(command));
    return true;
  }
  const report = await measure(command, args, signal);
  const { results, systems } = report;
  if (results.length === 0) return false;
  const names = systems.map(({ name }) => name);
  say(`\n${tableOf(summarize(results), names)}`);
  await writeReport(report, command);
  return results.every(({ failure }) => failure === null);
}

/** Ctrl-C ends what runs, in order; the second one ends us, and with us all that we started. */
function stopOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(stoppedCode);
      say("\nstopping");
      controller.abort(new Error("stopped"));
    });
  }
  return controller.signal;
}

async function main(args: readonly string[]): Promise<number> {
  const signal = stopOnSignals();
  try {
    const isWell = await bench(args, signal);
    return signal.aborted ? stoppedCode : isWell ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n${usage}\n`);
    return 2;
  }
}

process.exit(await main(process.argv.slice(2)));
