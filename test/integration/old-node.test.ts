import { spawnSync } from "node:child_process";
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;
let old: string;

/** Our Node, saying that it is another one. */
beforeAll(async () => {
  folder = await makeTestFolder("old-node");
  old = join(folder, "old.cjs");
  await writeFile(old, `Object.defineProperty(process, "versions", { value: { ...process.versions, node: process.env.OLD_NODE } });`);
});
afterAll(() => removeTestFolder(folder));

function onNode(version: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--require", old, ...args], {
    encoding: "utf8",
    env: { ...process.env, OLD_NODE: version },
  });
  return { status, stdout, stderr };
}

test("what an old Node reads first is in the language of old Nodes", async () => {
  for (const file of ["bin/ottla", "deploy/npm-script.cjs", "client/old-node.cjs"]) {
    const source = (await readFile(join(root, file), "utf8")).replace(/^#!.*\n/, "");
    const [plain, lowered] = await Promise.all(
      ["esnext", "es5"].map((target) => transform(source, { target, minifyWhitespace: true, charset: "utf8" })),
    );
    expect(lowered?.code, file).toBe(plain?.code);
    // esbuild does not report these
    expect(source, file).not.toMatch(/,\s*\)|\?\.|`[^`]*\$\{|require\("node:/);
  }
});

test("the installed command on an old Node is one sentence, and so is an npm script", async () => {
  await cp(join(root, "bin"), join(folder, "bin"), { recursive: true });
  for (const version of ["12.22.12", "20.20.2", "22.1.0"]) {
    const { status, stdout, stderr } = onNode(version, join(folder, "bin", "ottla"), "topic", "list");
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toBe(
      `ottla: Node 24 or newer is needed, this is ${version} (${process.execPath}); see https://nodejs.org/en/download\n`,
    );
  }
  expect(onNode("18.20.8", join(root, "deploy", "npm-script.cjs"), "run.mjs", "cli/main.ts", "up")).toEqual({
    status: 1,
    stdout: "",
    stderr: `ottla: Node 20 or newer is needed, this is 18.20.8 (${process.execPath}); see https://nodejs.org/en/download\n`,
  });
  const scripts = JSON.parse(await readFile(join(root, "package.json"), "utf8")).scripts as Readonly<Record<string, string>>;
  for (const name of ["start", "test", "bench", "chaos", "sim"]) expect(scripts[name]).toMatch(/^node deploy\/npm-script\.cjs \w+\.mjs/);
});

test("a program that imports the client on an old Node is told so before anything else of it runs", async () => {
  const index = await readFile(join(root, "client", "index.ts"), "utf8");
  expect(/^(?:import|export)\b.*$/m.exec(index)?.[0]).toBe('import "./base/node-version.ts";');
  expect(onNode("20.20.2", join(root, "client", "index.ts"))).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("Error: Ottla's client needs Node 24 or newer, and this is 20.20.2\n"),
  });
  // a name that an old Node's module lacks fails before the first line runs, and zlib got some
  for (const project of ["protocol", "client"])
    for (const name of (await readdir(join(root, project), { recursive: true })).filter((each) => each.endsWith(".ts")))
      expect(await readFile(join(root, project, name), "utf8"), name).not.toMatch(/import \{[^}]*\} from "node:zlib"/);
});
