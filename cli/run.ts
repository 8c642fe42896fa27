import { CommanderError } from "commander";
import type { Register } from "./commands/register-commands.ts";
import { CommandFailed, exitInterrupted, explain, Interrupted, UsageError } from "./output/command-failed.ts";
import { complain } from "./output/complaints.ts";
import { Output } from "./output/output.ts";
import { ottlaProgram } from "./program.ts";

const exitFailed = 1;
const exitUsage = 2;

/** The command line as this process, with the commands that these arguments need. */
export async function run(args: readonly string[], commands: readonly Register[]): Promise<void> {
  // listens from the start: whichever part writes, a failure to do so is reported at the end
  const output = new Output(process.stdout);
  // where standard error cannot be written, there is still the exit code
  process.stderr.on("error", () => {});
  try {
    await ottlaProgram(commands).parseAsync(helpOf(args), { from: "user" }).catch(helpIsNoFailure);
    await output.flushed();
  } catch (error) {
    if (error instanceof CommanderError) {
      // the line was printed with it
      process.exitCode = exitUsage;
    } else {
      complain(explain(error));
      process.exitCode = exitCodeOf(error);
      if (!isExpected(error) && process.env.OTTLA_DEBUG) console.error(error);
      // what failed half-way may have left sockets or timers that would keep the process alive; standard error is written synchronously
      process.exit();
    }
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return exitInterrupted;
  return error instanceof UsageError ? exitUsage : exitFailed;
}

function isExpected(error: unknown): boolean {
  return error instanceof CommandFailed || error instanceof UsageError || error instanceof Interrupted;
}

/** `help topic create` is `topic create --help`; commander takes one word only. */
function helpOf(args: readonly string[]): readonly string[] {
  const [first, ...words] = args;
  return first === "help" && words.length > 1 ? [...words, "--help"] : args;
}

/** Commander throws for --help and --version too. */
function helpIsNoFailure(error: unknown): void {
  if (!(error instanceof CommanderError) || error.exitCode !== 0) throw error;
}
