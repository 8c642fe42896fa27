import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { commandsFor } from "../../../cli/commands/register-commands.ts";
import { manPage } from "../../../cli/manual/man-page.ts";
import { ottlaProgram } from "../../../cli/program.ts";

const program = async () => ottlaProgram(await commandsFor(["man"]));

test("every command with every option is on the manual page, hidden ones are not", async () => {
  const page = manPage(await program());
  const plain = page.replaceAll("\\-", "-");
  for (const command of (await program()).commands.flatMap((each) => (each.commands.length > 0 ? each.commands : [each]))) {
    if (command.name() === "complete") continue;
    const name = command.parent?.parent == null ? command.name() : `${command.parent.name()} ${command.name()}`;
    const [, section = ""] = plain.split(new RegExp(`^\\.SS "ottla ${name}(?= )`, "m"));
    for (const { long, description } of command.options) {
      expect(section, name).toContain(`.TP\n\\fB${long}`);
      expect(section.replaceAll("\\(ga", "`").replaceAll("\\(ti", "~"), `${name} ${long}`).toContain(description.replaceAll("\\", "\\e"));
    }
  }
  expect(plain).not.toContain("ottla complete ");
  expect(plain).toContain('.TH OTTLA 1 "" "ottla ');
});

test("no line begins like a request to the formatter, and signs can be copied", async () => {
  const requests = (manPage(await program()).match(/^['.].*/gm) ?? []).map((line) => line.split(" ")[0]);
  expect([...new Set(requests)].sort()).toEqual([".B", ".PP", ".SH", ".SS", ".TH", ".TP", ".ad", ".nh"]);
  expect(manPage(await program())).not.toMatch(/[~`^]|(?<!\\)-/);
});

test("npm installs it with the package: it links what a list names, and no single name", async () => {
  const { man, files, scripts } = JSON.parse(await readFile(new URL("../../../package.json", import.meta.url), "utf8"));
  expect(man).toEqual(["./dist/ottla.1"]);
  expect(files).toContain("dist/ottla.1");
  expect(scripts.prepack).toContain("ottla man > dist/ottla.1");
});
