// A cluster under load grows, loses a broker meanwhile, and shrinks again: `npm run growth`. What is claimed of it is checked at the end.
import { UsageError } from "../support/command-line-options.ts";
import { type GrowthCommand, parseCommand, usage } from "./command-line.ts";
import { growAndShrink } from "./grow-and-shrink.ts";

function commandOrUsage(): GrowthCommand | null {
  try {
    return parseCommand(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n${usage}\n`);
    return null;
  }
}

const command = commandOrUsage();
const isGood = command !== null && (await growAndShrink(command, (line) => process.stdout.write(`${line}\n`)));
process.exit(command === null ? 2 : isGood ? 0 : 1);
