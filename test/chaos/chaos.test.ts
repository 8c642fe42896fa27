import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";

const minutes = 2;
const seed = 1;
/** Of what it printed, when something is violated. */
const lastCharacters = 6_000;

test(`chaos on real processes for ${minutes} minutes (seed ${seed}): every check holds`, { timeout: 600_000 }, async () => {
  const folder = await makeTestFolder("chaos");
  const run = join(import.meta.dirname, "run.ts");
  const child = spawn(process.execPath, [run, "--minutes", `${minutes}`, "--seed", `${seed}`, "--out", folder], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  const code = await new Promise((resolve) => child.on("close", resolve));
  expect(code, printed.slice(-lastCharacters)).toBe(0);
  expect(printed).toContain("every check holds");
  await removeTestFolder(folder);
});
