// Real processes under faults: `npm run chaos -- --minutes 10 --seed 7`; what one kind costs: `npm run chaos -- --trials 20 --fault KIND`.

import { UsageError } from "../support/command-line-options.ts";
import { type ChaosCommand, parseCommand, usage } from "./command-line.ts";
import { runChaos } from "./conduct/run-chaos.ts";
import { trialKinds } from "./failover/kinds.ts";
import { runFailover } from "./failover/run-failover.ts";
import { allFaults } from "./faults/all.ts";
import { isInside, possibleFlags, runInside, stopSignal } from "./stage/own-namespaces.ts";

const stoppedCode = 130;
const usageCode = 2;
const say = (line: string) => void process.stdout.write(`${line}\n`);
const cannotCut = "cutting links takes root, or users that may have namespaces, on Linux";

async function carryOut(command: ChaosCommand): Promise<number> {
  if (command.isList) {
    say("--faults");
    for (const { name, what } of allFaults) say(`  ${name.padEnd(30)} ${what}`);
    say("--fault, in trials");
    for (const { name, what } of trialKinds) say(`  ${name.padEnd(30)} ${what}`);
    return 0;
  }
  if (!isInside()) {
    const flags = possibleFlags();
    if (flags !== null) return runInside(flags);
    say(`no namespaces of our own: ${cannotCut}`);
  }
  const signal = stopSignal(say);
  try {
    const parts = { say, signal, cannotCut };
    return (await (command.fault === null ? runChaos(command, parts) : runFailover(command, parts))) ? 0 : 1;
  } catch (error) {
    if (signal.aborted) return stoppedCode;
    throw error;
  }
}

async function main(args: readonly string[]): Promise<number> {
  try {
    return await carryOut(parseCommand(args, Date.now()));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n${usage}\n`);
    return usageCode;
  }
}

process.exit(await main(process.argv.slice(2)));
