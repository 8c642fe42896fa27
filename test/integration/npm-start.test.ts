import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePorts } from "../support/free-ports.ts";
import { isAlive } from "../support/is-alive.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;
let data: string;

beforeEach(async () => {
  folder = await makeTestFolder("npm-start");
  data = join(folder, "data");
});
afterEach(async () => {
  await new OttlaCommand(["down", "--data", data]).result;
  await removeTestFolder(folder);
});

/** npm with one of its scripts, in a session of its own, as a service manager starts it. */
function npm(args: readonly string[], cwd: string): ChildProcess & { readonly ended: Promise<unknown> } {
  const environment = { ...process.env };
  for (const name of Object.keys(environment)) if (name.startsWith("npm_")) delete environment[name];
  const child = spawn("npm", args, { cwd, detached: true, stdio: "ignore", env: environment });
  return Object.assign(child, { ended: new Promise((resolve) => child.once("exit", resolve)) });
}

/** Everything that has our folder in its command line. */
async function ours(): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  const found = pids.filter((pid, index) => pid !== process.pid && lines[index]?.includes(data));
  const alive = await Promise.all(found.map(isAlive));
  return found.filter((_, index) => alive[index]);
}

async function healthy(): Promise<boolean> {
  return (await new OttlaCommand(["status", "--data", data]).result).code === 0;
}

const upArguments = async () => ["--brokers", "1", "--port", `${(await freePorts(1))[0]}`, "--data", data];

test.each(["SIGTERM", "SIGKILL"] as const)("%s to `npm start` ends the cluster, though npm's shell passes nothing on", async (signal) => {
  const start = npm(["start", "--", ...(await upArguments())], root);
  await waitUntil("the cluster", healthy, { timeoutMs: 90_000 });
  start.kill(signal);
  await waitUntil("every process to be gone", async () => (await ours()).length === 0);
  await start.ended;
});

test("a script of the user's own that runs `ottla up` ends with npm; one that puts it into the background leaves it", async () => {
  const up = `node ${join(root, "bin", "ottla")} up ${(await upArguments()).join(" ")}`;
  const scripts = { cluster: up, background: `${up} >/dev/null 2>&1 &` };
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "users-own", version: "1.0.0", scripts }));
  const cluster = npm(["run", "cluster"], folder);
  await waitUntil("the cluster", healthy);
  cluster.kill("SIGKILL");
  await waitUntil("every process to be gone", async () => (await ours()).length === 0);

  await npm(["run", "background"], folder).ended;
  await waitUntil("the cluster", healthy);
  const before = await ours();
  await new Promise((resolve) => setTimeout(resolve, 2000));
  expect(await ours()).toEqual(before);
});
