import { parseArgs } from "node:util";
import { names, UsageError, wholeNumber } from "../support/command-line-options.ts";

export const usage = `npm run chaos -- [options]
  faults by seed, with clients of all kinds, and every operation checked:
    --minutes M        how long faults are made (2)
    --seed S           the schedule: the same seed gives the same one (by the clock)
    --faults A,B       only these kinds (all)
  or the time that one kind of fault costs:
    --fault KIND       one such fault in each trial
    --trials N         how many trials (10)
    --partitions P     of the topic (12)
    --probes N         how many of the partitions that a fault concerns are written to (12)
    --every MS         how often each of them is written to (5)
    --raw              not by our client, but by one request at a time to every broker for each partition
  of both:
    --session MS       the brokers' ZooKeeper session (18000)
    --set NAME=VALUE   a setting for all brokers; may be repeated
    --mutant NAME      brokers run with a rule removed, which the checks should notice (test/mutants/mutants.ts)
    --out DIR          where history, report and figures go (chaos-results)
    --keep             keep the cluster's folder, with logs and data
    --list             show the kinds of faults, and end`;

export interface ChaosCommand {
  readonly minutes: number;
  readonly seed: number;
  /** Null: all. */
  readonly faults: readonly string[] | null;
  /** Null: the whole test, not trials of one kind. */
  readonly fault: string | null;
  readonly trials: number;
  readonly partitions: number;
  readonly probes: number;
  readonly everyMs: number;
  readonly isRaw: boolean;
  readonly sessionTimeoutMs: number;
  readonly settings: Readonly<Record<string, string>>;
  readonly mutant: string | null;
  readonly out: string;
  readonly keepsFolder: boolean;
  readonly isList: boolean;
}

export function parseCommand(args: readonly string[], nowMs: number): ChaosCommand {
  const { values } = parse(args);
  return {
    minutes: aboveZero("minutes", values.minutes),
    seed: wholeNumber("seed", values.seed ?? String(Math.floor(nowMs) % 1_000_000)),
    faults: values.faults === undefined ? null : names(values.faults),
    fault: values.fault ?? null,
    trials: wholeNumber("trials", values.trials),
    partitions: wholeNumber("partitions", values.partitions),
    probes: wholeNumber("probes", values.probes),
    everyMs: wholeNumber("every", values.every),
    isRaw: values.raw,
    sessionTimeoutMs: wholeNumber("session", values.session),
    settings: Object.fromEntries((values.set ?? []).map(setting)),
    mutant: values.mutant ?? null,
    out: values.out,
    keepsFolder: values.keep,
    isList: values.list,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        minutes: { type: "string", default: "2" },
        seed: { type: "string" },
        faults: { type: "string" },
        fault: { type: "string" },
        trials: { type: "string", default: "10" },
        partitions: { type: "string", default: "12" },
        probes: { type: "string", default: "12" },
        raw: { type: "boolean", default: false },
        every: { type: "string", default: "5" },
        session: { type: "string", default: "18000" },
        set: { type: "string", multiple: true },
        mutant: { type: "string" },
        out: { type: "string", default: "chaos-results" },
        keep: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function setting(text: string): [name: string, value: string] {
  const [, name, value] = /^([^=]+)=(.*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new UsageError(`--set is ${text}: NAME=VALUE is needed`);
  return [name, value];
}

function aboveZero(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`--${name} is ${text}: a number above 0 is needed`);
  return value;
}
