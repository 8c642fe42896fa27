import { fork, spawn } from "node:child_process";
import { join } from "node:path";
import { parseArgs, stripVTControlCharacters } from "node:util";
import { type Mutant, mutated, readSource, root } from "./mutant.ts";
import { mutants } from "./mutants.ts";

/**
 * `npm run mutants -- --seeds 200 [--from 1] [--only NAME,NAME]`: runs the simulator's seeds on each mutant until one fails, and prints a
 * table for docs/correctness.md. Those that unit tests catch are run against these.
 * A mutant that survives them all is something that the simulator does not see. Exit code 1 then.
 */
const { values } = parseArgs({
  options: { seeds: { type: "string", default: "200" }, from: { type: "string", default: "1" }, only: { type: "string" } },
});

/** A mutant may run in circles: a seed takes a second or two, so one that takes this long is caught as well. */
const seedLimitMs = 120_000;

interface Outcome {
  readonly seed: number | null;
  readonly failure: string;
  readonly seconds: number;
}

function seedsUntilCaught({ name }: Mutant, from: number, count: number): Promise<Outcome> {
  const startedMs = performance.now();
  const child = fork(join(import.meta.dirname, "seeds-until-caught.ts"), [`${from}`, `${count}`], {
    execArgv: ["--import", join(import.meta.dirname, "with-mutant.ts")],
    env: { ...process.env, OTTLA_MUTANT: name },
  });
  return new Promise((resolve) => {
    let outcome: Omit<Outcome, "seconds"> = { seed: null, failure: "" };
    let nextSeed = from;
    let timer = setTimeout(() => {}, 0);
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        outcome = { seed: nextSeed, failure: `not done within ${seedLimitMs / 1000} s` };
        child.kill("SIGKILL");
      }, seedLimitMs);
    };
    watch();
    child.on("message", (message) => {
      const { seed, failure } = message as { readonly seed: number; readonly failure: string | null };
      nextSeed = seed + 1;
      if (failure !== null) outcome = { seed, failure };
      watch();
    });
    child.on("exit", (code) => {
      clearTimeout(timer);
      if (code !== 0 && outcome.seed === null) outcome = { seed: nextSeed, failure: `the process ended with code ${code}` };
      resolve({ ...outcome, seconds: (performance.now() - startedMs) / 1000 });
    });
  });
}

/** Vitest reads the sources itself, with the mutant (`vitest.config.ts`). */
function unitTestsCatch({ name }: Mutant, tests: string): Promise<Outcome> {
  const startedMs = performance.now();
  const args = [join(root, "node_modules/vitest/vitest.mjs"), "run", "--project", "unit", tests];
  const child = spawn(process.execPath, args, { env: { ...process.env, OTTLA_MUTANT: name }, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (text) => {
      said = `${said}${text}`.slice(-100_000);
    });
  const timer = setTimeout(() => child.kill("SIGKILL"), seedLimitMs);
  return new Promise((resolve) => {
    child.on("close", (code) => {
      clearTimeout(timer);
      const failure = /AssertionError.*|InvariantViolation.*/.exec(said)?.[0] ?? "";
      const by = `${tests}: ${stripVTControlCharacters(failure)}`;
      resolve({ seed: code === 0 ? null : 0, failure: by, seconds: (performance.now() - startedMs) / 1000 });
    });
  });
}

const only = values.only?.split(",");
const chosen = mutants.filter(({ name }) => only === undefined || only.includes(name));
if (chosen.length === 0) throw new Error(`no mutant is called ${values.only}; there are ${mutants.map(({ name }) => name).join(", ")}`);
for (const mutant of chosen) mutated(mutant, readSource(mutant));

console.log("| Mutant | Caught at seed | After | By |\n|---|---|---|---|");
let survivors = 0;
for (const mutant of chosen) {
  const { seed, failure, seconds } = await (mutant.caughtBy === undefined
    ? seedsUntilCaught(mutant, Number(values.from), Number(values.seeds))
    : unitTestsCatch(mutant, mutant.caughtBy));
  if (seed === null) survivors++;
  const by = failure.split("\n")[0]!.slice(0, 160).replaceAll("|", "/");
  console.log(
    `| ${mutant.name} | ${seed === 0 ? "unit test" : (seed ?? `**not in ${values.seeds}**`)} | ${seconds.toFixed(0)} s | ${by} |`,
  );
}
console.log(`\n${chosen.length - survivors} of ${chosen.length} mutants caught`);
process.exitCode = survivors === 0 ? 0 : 1;
