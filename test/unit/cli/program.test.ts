import type { Command } from "commander";
import { afterEach, expect, test, vi } from "vitest";
import { namesOfOthers } from "../../../cli/commands/names-of-others.ts";
import { commandNames, commandsFor } from "../../../cli/commands/register-commands.ts";
import { ottlaProgram } from "../../../cli/program.ts";

afterEach(() => vi.restoreAllMocks());

function withSubcommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

const programFor = async (...args: string[]) => ottlaProgram(await commandsFor(args));
const allCommands = () => programFor();

test("help shows defaults as they are typed, and none that say nothing", async () => {
  const help = withSubcommands(await allCommands()).map((command) => command.helpInformation());
  for (const text of help) expect(text).not.toMatch(/default:\s+(\[|\{|"|false|true)/);
  expect(help.filter((text) => text.includes("(default: 127.0.0.1:9092)")).length).toBeGreaterThan(5);
});

/** They print what shells and `man` read. */
const inFormsOfOthers = ["completion", "complete", "man"];

test("every command that does something takes --json", async () => {
  const doing = withSubcommands(await allCommands()).filter(
    (command) => command.commands.length === 0 && !inFormsOfOthers.includes(command.name()),
  );
  expect(doing.length).toBeGreaterThan(10);
  const without = doing.filter((command) => !command.options.some(({ long }) => long === "--json"));
  expect(without.map((command) => command.name())).toEqual([]);
});

test("everything that lists or describes a cluster can be watched", async () => {
  const showing = withSubcommands(await allCommands()).filter(
    (command) => ["list", "describe", "log-dirs"].includes(command.name()) && command.parent?.name() !== "profile",
  );
  expect(showing).toHaveLength(8);
  expect(showing.filter(({ options }) => !options.some(({ long }) => long === "--watch"))).toEqual([]);
});

test("what can be done with a cluster", async () => {
  const cluster = (await allCommands()).commands.find((command) => command.name() === "cluster");
  expect(cluster?.commands.map((command) => command.name())).toEqual([
    "describe",
    "alter",
    "rebalance",
    "drain",
    "log-dirs",
    "move-replica",
    "inventory",
    "recover",
  ]);
});

test("wrong use is told in one line, its hint included", async () => {
  const written: string[] = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
  const cases = [
    "produce",
    "produce t --ack 1",
    "produce t --acks 2",
    "nope",
    "topic nope",
    "consume t --from nowhere",
    "broker --no-such",
  ];
  for (const args of cases) {
    written.length = 0;
    const words = args.split(" ");
    await expect((await programFor(...words)).parseAsync(words, { from: "user" })).rejects.toThrow();
    expect(written.join(""), args).toMatch(/^ottla: [^\n]+ \(add --help for the options\)\n$/);
  }
});

test("who types another tool's name for something is told ours", async () => {
  const written: string[] = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
  const cases = {
    version: "ottla --version",
    "topic add-partitions t": "ottla topic alter NAME --partitions",
    "topic alter-config t": "ottla topic alter NAME --config",
    "topic trim-prefix t": "ottla topic delete-records",
    "cluster info": "ottla cluster describe",
    "cluster health": "ottla cluster describe --check",
    "cluster config": "ottla cluster alter",
    "group seek g": "ottla group reset-offsets",
    "profile create p": "ottla profile add",
    "profile current": "ottla profile list",
    "topic list --brokers h:1": "--bootstrap",
    "topic list --bootstrap-server=h:1": "--bootstrap",
    "consume t --from-beginning": "--from beginning",
    "consume t -n 5": "--max",
    "consume t -n5": "--max",
    "consume t -o start": "--from",
    "consume t -f %v": "--format",
    "produce t -k key": "--key",
  };
  for (const [args, ours] of Object.entries(cases)) {
    written.length = 0;
    const words = args.split(" ");
    await expect((await programFor(...words)).parseAsync(words, { from: "user" })).rejects.toThrow();
    expect(written.join(""), args).toMatch(/^ottla: unknown (command|option) '\S+'; here it is: .* \(add --help for the options\)\n$/);
    expect(written.join(""), args).toContain(ours);
  }
});

test("where a name of another tool leads, there is something", async () => {
  const every = withSubcommands(await allCommands());
  const pathOf = (command: Command): string => (command.parent === null ? "" : `${pathOf(command.parent)} ${command.name()}`.trim());
  for (const [path, names] of Object.entries(namesOfOthers))
    for (const [name, ours] of Object.entries(names)) {
      const [own] = every.filter((command) => pathOf(command) === path);
      expect(
        own?.commands.some((command) => command.name() === name) || own?.options.some(({ short, long }) => [short, long].includes(name)),
        name,
      ).toBeFalsy();
      for (const [, words = ""] of ours.matchAll(/ottla ((?:[a-z][a-z-]* ?)+)/g)) {
        const [command] = every.filter((each) => pathOf(each) === words.trim());
        expect(command, `${path} ${name}: ${ours}`).toBeDefined();
        const [, option] = /(--[a-z-]+)/.exec(ours) ?? [];
        if (option !== undefined && !ours.includes(", and "))
          expect(
            command?.options.some(({ long }) => long === option),
            `${path} ${name}: ${ours}`,
          ).toBe(true);
      }
      if (path === "" || path === "*" || !ours.startsWith("--")) continue;
      for (const [option] of ours.matchAll(/--[a-z-]+/g))
        expect(
          own?.options.some(({ long }) => long === option),
          `${path} ${name}`,
        ).toBe(true);
    }
});

test("a command that is named is made alone, and as it is among all", async () => {
  const all = new Map((await allCommands()).commands.map((command) => [command.name(), command]));
  for (const name of commandNames) {
    const command = all.get(name);
    const [alone, ...others] = (await programFor(name, "--help")).commands;
    expect(others).toEqual([]);
    expect(alone?.helpInformation(), name).toBe(command?.helpInformation());
  }
});
