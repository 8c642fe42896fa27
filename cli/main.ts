#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { CommandFailed, explain, UsageError } from "./command-failed.ts";
import { registerCommands } from "./commands/register.ts";

const exitFailed = 1;
const exitUsage = 2;

const program = new Command("ottla")
  .description("A distributed, partitioned, replicated log that every Kafka client can talk to.")
  .showHelpAfterError("(add --help for the options)")
  .exitOverride();
registerCommands(program);

try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) {
    // commander has printed its line; help and version end with 0
    process.exitCode = error.exitCode === 0 ? 0 : exitUsage;
  } else {
    process.stderr.write(`ottla: ${explain(error)}\n`);
    process.exitCode = error instanceof UsageError ? exitUsage : exitFailed;
    if (!(error instanceof CommandFailed || error instanceof UsageError) && process.env.OTTLA_DEBUG) console.error(error);
    // what failed half-way may have left sockets or timers that would keep the process; standard error is written to at once
    process.exit();
  }
}
