import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePorts } from "../support/free-ports.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

// `ottla up` with more, and with fewer, brokers than there were.

const command = fileURLToPath(new URL("../../bin/ottla", import.meta.url));
let folder: string;
let data: string;
let running: ChildProcess | null = null;

beforeEach(async () => {
  folder = await makeTestFolder("up-sizes");
  data = join(folder, "data");
});

afterEach(async () => {
  await OttlaCommand.killAll();
  await stop();
  await removeTestFolder(folder);
});

async function stop(): Promise<void> {
  const process = running;
  running = null;
  if (process === null || process.exitCode !== null) return;
  const ended = new Promise((resolve) => process.once("close", resolve));
  process.kill("SIGINT");
  await ended;
}

/** What it says when it is ready, or when it ended. */
async function up(args: string): Promise<{ readonly out: string; readonly err: string; readonly code: number | null }> {
  await stop();
  const child = spawn(command, ["up", "--data", data, ...args.split(" ").filter((word) => word !== "")], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  running = child;
  let [out, err, isClosed] = ["", "", false];
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    err += chunk;
  });
  child.once("close", () => {
    isClosed = true;
  });
  await waitUntil("it is ready, or over", () => out.includes("try:") || isClosed, { timeoutMs: 60_000 });
  await waitUntil("all of what it says", () => isClosed || out.endsWith("\n"));
  return { out, err, code: child.exitCode };
}

function addressesIn(out: string): string[] {
  return [...out.matchAll(/^broker (\d+) {2}(\S+) /gm)].map(([, id, address]) => `${id} ${address}`);
}

test("two brokers more keep the others as they are; fewer are refused while those to go have copies, and run without them afterwards", async () => {
  const [port = 0] = await freePorts(5, { adjacent: true });
  const bootstrap = `127.0.0.1:${port}`;
  const address = (id: number) => `${id} 127.0.0.1:${port + id - 1}`;
  const run = async (args: string, stdin?: string) => {
    const { code, stdout, stderr } = await new OttlaCommand([...args.split(" "), "--bootstrap", bootstrap], stdin).result;
    expect({ args, code, stderr: code === 0 ? "" : stderr }).toEqual({ args, code: 0, stderr: "" });
    return stdout;
  };
  const lines = Array.from({ length: 200 }, (_, at) => `line ${at}\n`);
  const sorted = (text: string) =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .toSorted();

  const three = await up(`--brokers 3 --port ${port}`);
  expect(addressesIn(three.out)).toEqual([1, 2, 3].map(address));
  expect(three.out).not.toContain("rebalance");
  await run("produce kept", lines.join(""));
  await run("consume kept --group readers --from beginning --until-end");

  const five = await up("--brokers 5");
  expect(addressesIn(five.out)).toEqual([1, 2, 3, 4, 5].map(address));
  expect(five.out).toMatch(new RegExp(`added 4, 5, with nothing on them yet: bin/ottla cluster rebalance --bootstrap ${bootstrap} `));
  expect(sorted(await run("consume kept --from beginning --until-end"))).toEqual(sorted(lines.join("")));
  expect(await run("cluster describe")).toMatch(/^ +5 .* nothing on it$/m);
  await run("cluster rebalance");
  expect(await run("cluster describe")).not.toContain("nothing on it");
  // as many as there were, without the hint
  const again = await up("");
  expect(addressesIn(again.out)).toEqual([1, 2, 3, 4, 5].map(address));
  expect(again.out).not.toContain("rebalance");

  const refused = await up("--brokers 3");
  expect(refused).toMatchObject({ code: 1, out: "" });
  expect(refused.err).toMatch(
    /^ottla: broker 4 has copies of \d+ partitions, broker 5 has copies of \d+ partitions, and would not run any more: start it again with --brokers 5, run `ottla cluster drain 4 --bootstrap [\d.:]+` and `ottla cluster drain 5 --bootstrap [\d.:]+`, .*\n$/,
  );

  await up("");
  await run("cluster drain 4");
  await run("cluster drain 5");
  const fewer = await up("--brokers 3");
  expect(addressesIn(fewer.out)).toEqual([1, 2, 3].map(address));
  expect(sorted(await run("consume kept --from beginning --until-end"))).toEqual(sorted(lines.join("")));
  expect(await run("cluster describe --check")).toContain("0 under-replicated");
  expect(await run("group describe readers")).toContain("kept");
  expect(addressesIn((await up("")).out)).toEqual([1, 2, 3].map(address));
  // what they had on their disks is theirs: directories stay
  for (const id of [4, 5]) expect(existsSync(join(data, `broker-${id}`, "data"))).toBe(true);
  expect(readdirSync(data)).toContain("cluster.json");
});
