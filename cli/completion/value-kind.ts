import type { Argument, Command, Option } from "commander";

/** What a value names. All but files and folders are found out when they are needed. */
export type ValueKind =
  | { readonly kind: "choice"; readonly choices: readonly string[] }
  | { readonly kind: "topic" | "group" | "profile" | "setting" | "changed-setting" | "partition" | "broker" | "file" | "directory" }
  | { readonly kind: "anything" };

/** By the placeholders that the definitions have: `--file <path>`, `<topic>`. */
const kindsByPlaceholder: Readonly<Record<string, ValueKind["kind"]>> = {
  topic: "topic",
  topics: "topic",
  "topic[:0,1]": "topic",
  group: "group",
  path: "file",
  file: "file",
  directory: "directory",
  dir: "directory",
  broker: "broker",
  "name=value": "setting",
};

/** By an option's name, where the placeholder says less. */
const kindsByOption: Readonly<Record<string, ValueKind["kind"]>> = {
  "--topic": "topic",
  "--group": "group",
  "--profile": "profile",
  "--broker": "broker",
  "--partition": "partition",
  "--delete-config": "changed-setting",
};

/** Arguments that are called `name`, of commands whose names are about such. What is to be created has no name yet. */
const namesOf: Readonly<Record<string, ValueKind["kind"]>> = { topic: "topic", group: "group", profile: "profile" };
const creating: ReadonlySet<string> = new Set(["create", "add"]);

export function kindOfOption({ long, flags, argChoices }: Option): ValueKind {
  if (argChoices !== undefined) return { kind: "choice", choices: argChoices };
  const placeholder = /[<[](.+?)(?:\.\.\.)?[>\]]$/.exec(flags)?.[1] ?? "";
  return plain(kindsByOption[long ?? ""] ?? kindsByPlaceholder[placeholder]);
}

export function kindOfArgument(command: Command, argument: Argument): ValueKind {
  if (argument.argChoices !== undefined) return { kind: "choice", choices: argument.argChoices };
  const name = argument.name();
  if (name === "partition") return plain("partition");
  if (name !== "name") return plain(kindsByPlaceholder[name]);
  return creating.has(command.name()) ? plain(undefined) : plain(namesOf[command.parent?.name() ?? ""]);
}

function plain(kind: ValueKind["kind"] | undefined): ValueKind {
  return kind === undefined || kind === "choice" ? { kind: "anything" } : { kind };
}
