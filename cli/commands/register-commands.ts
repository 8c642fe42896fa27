import type { Command } from "commander";

export type Register = (program: Command) => void;

/**
 * In the order in which the help lists them. Each is loaded when it is needed: loading all takes longer than most commands work. What is
 * installed has a program for each of these names (deploy/bundle.mjs).
 */
const commands: Readonly<Record<string, () => Promise<{ readonly register: Register }>>> = {
  up: () => import("./register-up.ts"),
  broker: () => import("./register-broker.ts"),
  topic: () => import("./register-topic.ts"),
  produce: () => import("./register-produce.ts"),
  consume: () => import("./register-consume.ts"),
  copy: () => import("./register-copy.ts"),
  group: () => import("./register-group.ts"),
  cluster: () => import("./register-cluster.ts"),
  log: () => import("./register-log.ts"),
  bench: () => import("./register-bench.ts"),
};

export const commandNames: readonly string[] = Object.keys(commands);

/**
 * The command that these arguments begin with, none for the version. All where it is none of them, for the help and for what is said of a
 * wrong one.
 */
export async function commandsFor([name = ""]: readonly string[]): Promise<readonly Register[]> {
  if (name === "--version" || name === "-V") return [];
  const named = Object.hasOwn(commands, name) ? commands[name] : undefined;
  const loaded = await Promise.all((named === undefined ? Object.values(commands) : [named]).map((load) => load()));
  return loaded.map(({ register }) => register);
}
