import { Command, Help, type Option } from "commander";
import { oursFor } from "./commands/names-of-others.ts";
import type { Register } from "./commands/register-commands.ts";
import { printable } from "./output/terminal-text.ts";
import { packageVersion } from "./version.ts";

/** The command line. Its commands run from `parseAsync`; wrong use is reported in one line and thrown as a CommanderError. */
export function ottlaProgram(commands: readonly Register[]): Command {
  const program = new Command("ottla")
    .description("A distributed, partitioned, replicated log that every Kafka client can talk to.")
    .version(packageVersion())
    .configureHelp({ optionDescription })
    .exitOverride();
  for (const register of commands) register(program);
  tellWrongUse(program, "");
  return program;
}

function tellWrongUse(command: Command, path: string): void {
  command.configureOutput({ outputError: (text, write) => write(usageLine(text, path)) });
  for (const each of command.commands) tellWrongUse(each, `${path} ${each.name()}`.trim());
}

/** Commander's `error: …` with its suggestions on lines of their own, as one line. What others have a name for is better than a guess. */
function usageLine(text: string, path: string): string {
  const message = text.trim().replace(/^error: /, "");
  const [unknown, , typed = ""] = /^unknown (command|option) '(.+?)'/.exec(message) ?? [];
  const here = unknown === undefined ? null : oursFor(path, typed);
  const told = here === null ? message : `${unknown}; here it is: ${here}`;
  return `ottla: ${printable(told.replaceAll(/\s*\n\s*/g, " "))} (add --help for the options)\n`;
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
