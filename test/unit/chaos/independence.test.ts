import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const chaos = join(import.meta.dirname, "../../chaos");

/** Files that the judgement rests on: a mistake of the product must not be a mistake of theirs. */
const judging = ["checks", "history"].flatMap((folder) => readdirSync(join(chaos, folder)).map((name) => join(folder, name)));

test.each([...judging, "end/stored-log.ts", "end/crc32c.ts"])("%s imports nothing of the product", (name) => {
  const imports = [...readFileSync(join(chaos, name), "utf8").matchAll(/from "([^"]+)"/g)].map(([, path]) => path ?? "");
  expect(imports.filter((path) => !/^node:|^\.\/|^\.\.\/(checks|history|end)\//.test(path))).toEqual([]);
});
