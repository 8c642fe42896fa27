import { execFileSync, spawn } from "node:child_process";
import { cp, readdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { commandNames } from "../../cli/commands/register-commands.ts";
import { freePorts } from "../support/free-ports.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;

/** What `npm install` puts in place, with this checkout's dependencies. */
beforeAll(async () => {
  folder = await makeTestFolder("package");
  await cp(join(root, "package.json"), join(folder, "package.json"));
  const { files } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { readonly files: readonly string[] };
  for (const file of files.filter((name) => /^(?:bin|deploy)\b/.test(name)))
    await cp(join(root, file), join(folder, file), { recursive: true });
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  execFileSync(process.execPath, [join(root, "deploy", "bundle.mjs"), join(folder, "dist", "command")]);
});
afterAll(() => removeTestFolder(folder));

const environment = () => ({ ...process.env, NODE_COMPILE_CACHE: undefined, XDG_CACHE_HOME: join(folder, "cache") });
const ottla = (...args: string[]) =>
  execFileSync(process.execPath, [join(folder, "bin", "ottla"), ...args], { encoding: "utf8", env: environment() });

test("the package's command is as the checkout's: its version, its help, and a program for each command", async () => {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  expect(ottla("--version")).toBe(`${version}\n`);
  const help = ottla("--help");
  for (const name of commandNames) {
    expect(help).toContain(`  ${name} `);
    expect(ottla(name, "--help")).toContain(`Usage: ottla ${name} `);
  }
  expect((await readdir(join(folder, "dist", "command"))).sort()).toEqual([...commandNames, "all", "commander.LICENSE"].sort());
  expect(() => ottla("../command/topic"), "a path is no command").toThrow(/unknown command/);
});

test("`up` runs brokers from it, and a command finds them; what was compiled is kept for the next", async () => {
  const [port = 0] = await freePorts(1);
  const args = ["up", "--brokers", "1", "--port", `${port}`, "--data", join(folder, "data")];
  const up = spawn(process.execPath, [join(folder, "bin", "ottla"), ...args], { stdio: ["ignore", "pipe", "inherit"], env: environment() });
  const exited = new Promise((resolve) => up.once("exit", resolve));
  let told = "";
  up.stdout.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  try {
    await waitUntil("the cluster", () => told.includes("bootstrap "));
    const bootstrap = `127.0.0.1:${port}`;
    ottla("topic", "create", "t", "--bootstrap", bootstrap);
    expect(ottla("topic", "list", "--bootstrap", bootstrap)).toBe("t\n");
    expect(await readdir(join(folder, "cache", "ottla", "compiled"))).toHaveLength(1);
  } finally {
    up.kill("SIGTERM");
    await exited;
  }
});

test("a command that reads a list needs neither native code nor the codecs", async () => {
  const program = join(folder, "dist", "command", "topic");
  for (const file of await readdir(program)) {
    if (file.startsWith("record-times")) continue;
    expect(await readFile(join(program, file), "utf8"), file).not.toMatch(/from "(lz4-napi|snappy|@node-rs\/crc32|pino|msgpackr)"/);
  }
});
