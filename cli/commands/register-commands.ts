import type { Command } from "commander";

export type Register = (program: Command) => void;

/**
 * In the order in which the help lists them. Each is loaded when it is needed: loading all takes longer than most commands work. What is
 * installed has a program for each of these names (deploy/bundle.mjs).
 */
const commands: Readonly<Record<string, () => Promise<{ readonly register: Register }>>> = {
  up: () => import("./register-up.ts"),
  status: () => import("./register-status.ts"),
  down: () => import("./register-down.ts"),
  broker: () => import("./register-broker.ts"),
  topic: () => import("./register-topic.ts"),
  produce: () => import("./register-produce.ts"),
  consume: () => import("./register-consume.ts"),
  copy: () => import("./register-copy.ts"),
  group: () => import("./register-group.ts"),
  transaction: () => import("./register-transaction.ts"),
  cluster: () => import("./register-cluster.ts"),
  top: () => import("./register-top.ts"),
  doctor: () => import("./register-doctor.ts"),
  profile: () => import("./register-profile.ts"),
  log: () => import("./register-log.ts"),
  bench: () => import("./register-bench.ts"),
  completion: () => import("./register-completion.ts"),
};

/** They work on the definitions of the others, and so need them loaded. */
const aboutCommands: Readonly<Record<string, () => Promise<{ readonly register: Register }>>> = {
  man: () => import("./register-man.ts"),
  complete: () => import("./register-complete.ts"),
};

export const commandNames: readonly string[] = Object.keys(commands);

/**
 * The command that these arguments begin with, none for the version. All where it is none of them, for the help and for what is said of a
 * wrong one, or where it is about them all.
 */
export async function commandsFor([name = "", ...words]: readonly string[]): Promise<readonly Register[]> {
  if (name === "--version" || name === "-V") return [];
  const loaded = await Promise.all(loadersFor(name, words).map((load) => load()));
  return loaded.map(({ register }) => register);
}

function loadersFor(name: string, words: readonly string[]) {
  if (Object.hasOwn(commands, name)) return [commands[name]].filter((load) => load !== undefined);
  const all = [...Object.values(commands), ...Object.values(aboutCommands)];
  if (name !== "complete") return all;
  // `complete -- topic …`: one will do where it is typed already, and there is no time to lose
  const [, typed = "", ...more] = words;
  const one = more.length > 0 && Object.hasOwn(commands, typed) ? commands[typed] : undefined;
  const { complete } = aboutCommands;
  return one === undefined || complete === undefined ? all : [one, complete];
}
