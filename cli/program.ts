import { Command, Help, type Option } from "commander";
import type { Register } from "./commands/register-commands.ts";
import { printable } from "./output/terminal-text.ts";
import { packageVersion } from "./version.ts";

/** The command line. Its commands run from `parseAsync`; wrong use is reported in one line and thrown as a CommanderError. */
export function ottlaProgram(commands: readonly Register[]): Command {
  const program = new Command("ottla")
    .description("A distributed, partitioned, replicated log that every Kafka client can talk to.")
    .version(packageVersion())
    .configureOutput({ outputError: (text, write) => write(usageLine(text)) })
    .configureHelp({ optionDescription })
    .exitOverride();
  for (const register of commands) register(program);
  return program;
}

/** Commander's `error: …` with its suggestions on lines of their own, as one line. */
function usageLine(text: string): string {
  const message = text.trim().replace(/^error: /, "");
  return `ottla: ${printable(message.replaceAll(/\s*\n\s*/g, " "))} (add --help for the options)\n`;
}

/** As in commander, but with defaults as they would be typed, and without meaningless ones: no, none. */
function optionDescription(this: Help, option: Option): string {
  const shown = Object.create(option) as Option;
  const { defaultValue, defaultValueDescription } = option;
  if (defaultValueDescription === undefined && defaultValue !== undefined) {
    const text = typed(defaultValue);
    if (text === null) shown.defaultValue = undefined;
    else shown.defaultValueDescription = text;
  }
  return Help.prototype.optionDescription.call(this, shown);
}

function typed(value: unknown): string | null {
  if (typeof value === "boolean") return null;
  if (typeof value !== "object" || value === null) return String(value);
  if (Object.keys(value).length === 0) return null;
  return Array.isArray(value) ? value.join(",") : JSON.stringify(value);
}
