import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");

/** The heads of tables, as they stand in the sources of the command. */
const headLists = [/\btable\(\s*\[([^\]]*)\]/g, /\b\w*[hH]ead = \[([^\]]*)\]/g];

function printedColumns(): Set<string> {
  const sources = globSync("cli/**/*.ts", { cwd: root }).map(read);
  const lists = sources.flatMap((text) => headLists.flatMap((pattern) => [...text.matchAll(pattern)].map(([, list = ""]) => list)));
  return new Set(lists.flatMap((list) => [...list.matchAll(/"([^"]*)"/g)].map(([, name = ""]) => name)).filter((name) => name !== ""));
}

test("the glossary explains every column that the command prints", () => {
  const explained = (page: string) => new Set([...read(page).matchAll(/`([^`\n]+)`/g)].map(([, name = ""]) => name));
  const columns = [...printedColumns()];
  expect(columns).toContain("replicas");
  expect(columns).toContain("left on disk");
  for (const page of ["docs/concepts.md", "docs/zh-CN/concepts.md"])
    expect(
      columns.filter((name) => !explained(page).has(name)),
      page,
    ).toEqual([]);
});
