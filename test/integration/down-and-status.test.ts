import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePorts } from "../support/free-ports.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
let folder: string;
let data: string;
let port: number;

beforeEach(async () => {
  folder = await makeTestFolder("down");
  data = join(folder, "data");
  [port = 0] = await freePorts(3, { adjacent: true });
});
afterEach(async () => {
  await ottla("down");
  await OttlaCommand.killAll();
  await removeTestFolder(folder);
});

const ottla = (command: string, ...args: string[]) => new OttlaCommand([command, "--data", data, ...args]).result;

async function up(...args: string[]): Promise<OttlaCommand> {
  const command = new OttlaCommand(["up", "--data", data, "--port", `${port}`, ...args]);
  await waitUntil("the cluster", () => command.printed.includes("bootstrap "));
  return command;
}

test("`status` tells what runs and whether it is well, `down` ends it and waits", async () => {
  const cluster = await up("--restart-after", "6");
  const pids = [...cluster.printed.matchAll(/pid (\d+)/g)].map((match) => Number(match[1]));
  const status = await ottla("status");
  expect(status).toMatchObject({ code: 0, stderr: "" });
  expect(status.stdout).toMatch(/^cluster in \S+ {2}pid \d+ {2}up for \S+ {2}healthy\n/);
  expect(status.stdout).toMatch(/^zookeeper {2}127\.0\.0\.1:\d+ +\d+ .* serves$/m);
  for (const [index, pid] of pids.entries())
    expect(status.stdout).toMatch(new RegExp(`^broker ${index + 1} +127\\.0\\.0\\.1:${port + index} +${pid} .* serves$`, "m"));

  process.kill(pids[1] ?? 0, "SIGKILL");
  const wounded = JSON.parse((await ottla("status", "--json")).stdout);
  expect(wounded).toMatchObject({ running: true, healthy: false });
  expect(wounded.brokers.map(({ trouble }: { trouble: string | null }) => trouble)).toEqual([
    null,
    expect.stringMatching(/is gone|does not answer/),
    null,
  ]);
  await waitUntil("it to be well again", async () => (await ottla("status")).code === 0);

  const second = await new OttlaCommand(["up", "--data", data, "--port", `${port}`]).result;
  const { pid } = JSON.parse((await ottla("status", "--json")).stdout);
  expect(second.stderr).toMatch(`is in use by another \`ottla up\` (process ${pid}); stop that one with \`ottla down --data ${data}\``);

  const down = await ottla("down");
  expect(down).toMatchObject({ code: 0, stderr: "" });
  expect(down.stdout).toMatch(
    /^stopping 3 brokers and ZooKeeper in \S+ \(`ottla up` is process \d+\)\nstopped after \S+ s; the data stays in \S+\n$/,
  );
  expect((await cluster.result).code).toBe(0);
  expect(await readdir(data)).not.toContain("up.json");
});

test("what is left of a killed `up` is not taken for a cluster", async () => {
  const cluster = await up("--brokers", "1");
  cluster.signal("SIGKILL");
  await cluster.result;
  expect(await readdir(data)).toContain("up.json");
  expect(await ottla("status")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^ottla: no cluster runs in \S+; start one with .*\n$/),
  });
  expect(await ottla("down")).toMatchObject({ code: 0, stdout: `no cluster runs in ${data}\n` });
});

test("a cluster that was started with nohup stays when the terminal goes; another one ends", async () => {
  const unreadable = openSync("/dev/null", "w"); // what nohup gives a program in place of its terminal
  const withInput = (stdin: number | "ignore") =>
    spawn(process.execPath, [main, "up", "--data", data, "--port", `${port}`, "--brokers", "1"], { stdio: [stdin, "ignore", "ignore"] });
  const stays = withInput(unreadable);
  await waitUntil("the cluster", async () => (await ottla("status")).code === 0);
  stays.kill("SIGHUP");
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(await ottla("status")).toMatchObject({ code: 0 });
  await ottla("down");
  closeSync(unreadable);

  const ends = withInput("ignore");
  const ended = new Promise((resolve) => ends.once("exit", resolve));
  await waitUntil("the cluster", async () => (await ottla("status")).code === 0);
  ends.kill("SIGHUP");
  expect(await ended).toBe(0);
});

test("a folder that is not there is told; one without a cluster has none", async () => {
  expect(await ottla("down")).toMatchObject({ code: 1, stderr: expect.stringMatching(/^ottla: there is no folder \S+; .*--data\n$/) });
  await mkdir(data);
  expect(await ottla("down", "--json")).toMatchObject({ code: 0, stdout: `${JSON.stringify({ data, stopped: false })}\n` });
  expect(await ottla("status", "--json")).toMatchObject({ code: 1 });
});
