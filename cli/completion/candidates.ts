import type { Command, Option } from "commander";
import { type CommandWords, takesValue, understand } from "./command-words.ts";
import { kindOfArgument, kindOfOption, type ValueKind } from "./value-kind.ts";

export interface Candidate {
  readonly value: string;
  /** In a few words, for shells that show it; may be empty. */
  readonly about: string;
}

/** What a shell is told: candidates, or to complete names of files or folders itself. */
export interface Completion {
  /** `open`: more is to be typed behind a candidate, so no space follows it. */
  readonly kind: "words" | "open" | "files" | "directories";
  readonly candidates: readonly Candidate[];
}

/** Finds values that only the cluster, or the user's files, know. Silent: nothing when it cannot. */
export type FindValues = (
  kind: Exclude<ValueKind["kind"], "choice" | "file" | "directory" | "anything">,
  words: CommandWords,
) => Promise<readonly Candidate[]>;

const nothing: Completion = { kind: "words", candidates: [] };
const aboutMax = 60;

/** What may stand in place of the last of these words. */
export async function complete(program: Command, words: readonly string[], find: FindValues): Promise<Completion> {
  const understood = understand(program, words);
  const { command, positional, ofOption, typed, before, onlyArguments } = understood;
  if (ofOption !== null) return begun(await valuesOf(kindOfOption(ofOption), understood, find), typed, before);
  if (typed.startsWith("-") && !onlyArguments) return begun(optionsOf(understood), typed, "");
  if (command.commands.length > 0) return begun(positional.length > 0 ? nothing : commandsOf(command), typed, "");
  const given = command.registeredArguments;
  const argument = given[positional.length] ?? (given.at(-1)?.variadic ? given.at(-1) : undefined);
  if (argument === undefined) return nothing;
  const { kind, candidates } = await valuesOf(kindOfArgument(command, argument), understood, find);
  const open = candidates.filter(({ value }) => !argument.variadic || !positional.includes(value));
  return begun({ kind, candidates: open }, typed, "");
}

async function valuesOf(wanted: ValueKind, words: CommandWords, find: FindValues): Promise<Completion> {
  switch (wanted.kind) {
    case "choice":
      return { kind: "words", candidates: wanted.choices.map((value) => ({ value, about: "" })) };
    case "file":
      return { kind: "files", candidates: [] };
    case "directory":
      return { kind: "directories", candidates: [] };
    case "anything":
      return nothing;
    case "setting": {
      // behind the = is whatever the setting takes
      if (words.typed.includes("=")) return nothing;
      const found = await find(wanted.kind, words);
      return { kind: "open", candidates: found.map(({ value, about }) => ({ value: `${value}=`, about })) };
    }
    default:
      return { kind: "words", candidates: await find(wanted.kind, words) };
  }
}

function commandsOf(command: Command): Completion {
  const shown = command.createHelp().visibleCommands(command);
  return { kind: "words", candidates: shown.map((each) => ({ value: each.name(), about: shortened(each.description()) })) };
}

/** Those that may still be given. One whose default is a list may be repeated. */
function optionsOf({ command, values, flags }: CommandWords): Completion {
  const isGiven = ({ long = "" }: Option) => values.has(long) || flags.has(long);
  const isOpen = (option: Option) =>
    !isGiven(option) || (takesValue(option) && (option.variadic || typeof option.defaultValue === "object"));
  const options = command.createHelp().visibleOptions(command).filter(isOpen);
  const candidates = options.map(({ long, short, description }) => ({ value: long ?? short ?? "", about: shortened(description) }));
  return { kind: "words", candidates: candidates.filter(({ value }) => value !== "") };
}

/** Shells have no means to tell a control character from what it does. */
const isPlain = ({ value }: Candidate) => !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(value);

function begun({ kind, candidates }: Completion, typed: string, before: string): Completion {
  const fitting = candidates.filter((candidate) => candidate.value.startsWith(typed) && isPlain(candidate));
  return { kind, candidates: fitting.map(({ value, about }) => ({ value: `${before}${value}`, about })) };
}

function shortened(text: string): string {
  const first = text.split(/[;:(]/)[0]?.trim() ?? "";
  return first.length <= aboutMax ? first : `${first.slice(0, aboutMax - 1).trimEnd()}…`;
}

/** For a shell's script: the kind in the first line, then a candidate in each, with what it is about behind a tab. */
export function completionText({ kind, candidates }: Completion): string {
  const lines = candidates.map(({ value, about }) => (about === "" ? value : `${value}\t${about.replaceAll(/\s+/g, " ")}`));
  return `${[kind, ...lines].join("\n")}\n`;
}
