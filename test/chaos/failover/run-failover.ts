import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "../../support/command-line-options.ts";
import { complaintOf } from "../checks/cluster.ts";
import type { ChaosCommand } from "../command-line.ts";
import { Cluster } from "../stage/cluster.ts";
import { percentile } from "./gaps.ts";
import { type TrialKind, trialKinds } from "./kinds.ts";
import { Overseer } from "./overseer.ts";
import { runTrial, type TrialResult } from "./trial.ts";

const brokers = 3;
const tickTimeMs = 1_000;
const topic = "failover";

export interface RunParts {
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
  readonly cannotCut: string;
}

/** One fault of a kind after the other, and how long partitions waited. Resolves with whether all came back in every trial. */
export async function runFailover(command: ChaosCommand, { say, signal, cannotCut }: RunParts): Promise<boolean> {
  const kind = trialKinds.find(({ name }) => name === command.fault);
  if (kind === undefined)
    throw new UsageError(`--fault is ${command.fault}: ${trialKinds.map(({ name }) => name).join(", ")} are possible`);
  const ended: string[] = [];
  const cluster = await Cluster.start({
    brokers,
    sessionTimeoutMs: command.sessionTimeoutMs,
    tickTimeMs,
    // leaderships return when a trial says so
    settings: { "auto.leader.rebalance.enable": false, "default.replication.factor": 3, ...command.settings },
    mutant: command.mutant,
    onEnd: (id, end) => {
      const complaint = complaintOf(end);
      if (complaint !== null) ended.push(`broker ${id} ${complaint}`);
    },
    cannotCut,
    keepsFolder: command.keepsFolder,
  });
  try {
    if (kind.needsCuts && cluster.network.cannotCut !== null) {
      say(`skipped: ${kind.name}: ${cluster.network.cannotCut}`);
      return true;
    }
    await using overseer = new Overseer(cluster.bootstrap, topic, command.partitions);
    await overseer.create(brokers);
    say(`${kind.name}: ${kind.what}; ${command.partitions} partitions, session ${command.sessionTimeoutMs} ms`);
    const results: TrialResult[] = [];
    for (let trial = 1; trial <= command.trials && !signal.aborted; trial++) {
      const { probes, everyMs, isRaw } = command;
      const result = await runTrial({ cluster, overseer, kind, probes, everyMs, isRaw, signal });
      results.push(result);
      say(`trial ${String(trial).padStart(3)}  ${lineOf(result)}`);
    }
    for (const line of tableOf(kind, results)) say(line);
    for (const line of ended) say(line);
    await writeResults(command, kind, results);
    return ended.length === 0 && results.every(({ neverAgain }) => neverAgain === 0);
  } finally {
    if (command.keepsFolder) say(`kept: ${cluster.folder}`);
    await cluster.stop();
  }
}

function lineOf({ victim, gaps, otherGaps, backGaps, neverAgain, failures, ownDelayMs }: TrialResult): string {
  const worst = (values: readonly number[]) => (values.length === 0 ? "-" : `${Math.round(Math.max(...values))} ms`);
  const never = neverAgain === 0 ? "" : `  ${neverAgain} partitions NOT SERVED AGAIN in two minutes`;
  const failed = failures.length === 0 ? "" : `  ${failures.length} sends failed, first: ${failures[0]}`;
  const own = `own delay ${Math.round(ownDelayMs)} ms`;
  return `broker ${victim}: ${gaps.length} partitions, worst ${worst(gaps)}; others ${worst(otherGaps)}; back ${worst(backGaps)}; ${own}${never}${failed}`;
}

function tableOf({ name }: TrialKind, results: readonly TrialResult[]): string[] {
  const row = (what: string, values: readonly number[]) => {
    const figures = [percentile(values, 0.5), percentile(values, 0.9), percentile(values, 0.99), Math.max(...values)];
    const cells = values.length === 0 ? figures.map(() => "-") : figures.map((value) => value.toFixed(0));
    return [what.padEnd(48), ...[...cells, String(values.length)].map((cell) => cell.padStart(8))].join("");
  };
  const worstOf = results.flatMap(({ gaps }) => (gaps.length === 0 ? [] : [Math.max(...gaps)]));
  return [
    "",
    [`${name}, ms without acknowledgement`.padEnd(48), ...["p50", "p90", "p99", "max", "count"].map((cell) => cell.padStart(8))].join(""),
    row(
      "  of each partition that is concerned",
      results.flatMap(({ gaps }) => gaps),
    ),
    row("  of the worst one in each trial", worstOf),
    row(
      "  of partitions that are not concerned",
      results.flatMap(({ otherGaps }) => otherGaps),
    ),
    row(
      "  of all, while the victim comes back",
      results.flatMap(({ backGaps }) => backGaps),
    ),
  ];
}

async function writeResults(command: ChaosCommand, kind: TrialKind, results: readonly TrialResult[]): Promise<void> {
  await mkdir(command.out, { recursive: true });
  const { partitions, sessionTimeoutMs, everyMs, isRaw, settings } = command;
  const report = { kind: kind.name, partitions, sessionTimeoutMs, everyMs, isRaw, settings, results };
  await writeFile(join(command.out, `failover-${kind.name}.json`), `${JSON.stringify(report, null, 1)}\n`);
}
