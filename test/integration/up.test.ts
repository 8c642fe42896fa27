import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Admin, Consumer, orThrow, Producer, stringSerde } from "../../client/index.ts";
import { freePorts, listenOn } from "../support/free-ports.ts";
import { isAlive } from "../support/is-alive.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";
import { TestZookeeper } from "../support/zookeeper.ts";

const command = fileURLToPath(new URL("../../bin/ottla", import.meta.url));
const stopMaxMs = 5000;
let folder: string;
let data: string;
let running: Run[];

beforeEach(async () => {
  folder = await makeTestFolder("up");
  data = join(folder, "data");
  running = [];
});

afterEach(async () => {
  for (const run of running) await run.interrupt();
  await removeTestFolder(folder);
});

/** `ottla up` as a process of its own. */
class Run {
  out = "";
  err = "";
  readonly #child: ChildProcess;
  readonly exitCode: Promise<number | null>;

  constructor(args: readonly string[]) {
    this.#child = spawn(command, ["up", ...args], { stdio: ["ignore", "pipe", "pipe"] });
    this.#child.stdout?.on("data", (chunk) => {
      this.out += chunk;
    });
    this.#child.stderr?.on("data", (chunk) => {
      this.err += chunk;
    });
    this.exitCode = new Promise((resolve) => this.#child.once("close", (code) => resolve(code)));
    running.push(this);
  }

  async ready(): Promise<void> {
    await waitUntil("the cluster to be ready", () => {
      if (this.#child.exitCode !== null) throw new Error(this.err);
      return this.out.includes("try:");
    });
  }

  /** What Ctrl-C does. */
  async interrupt(): Promise<number | null> {
    this.#child.kill("SIGINT");
    return this.exitCode;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Process ids of the brokers, from the lines that it printed. */
  get brokerPids(): number[] {
    return [...this.out.matchAll(/^broker \d+ {2}\S+ {2}pid (\d+)$/gm)].map((match) => Number(match[1]));
  }
}

/** A port with free ones after it. */
async function freeRange(length: number): Promise<number> {
  const [first = 0] = await freePorts(length, { adjacent: true });
  return first;
}

/** Everything that has our data directory in its command line. */
async function processesOf(directory: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => ((await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).includes(directory) ? [pid] : [])),
  );
  return found.flat().filter((pid) => pid !== process.pid);
}

test("starts three brokers, stops them within 5 seconds, and finds the data again", async () => {
  const port = await freeRange(3);
  const bootstrap = [0, 1, 2].map((i) => `127.0.0.1:${port + i}`);
  const first = new Run(["--port", String(port), "--data", data]);
  await first.ready();
  const lines = first.out.split("\n");
  expect(lines.slice(0, 4)).toEqual([
    ...bootstrap.map((address, i) => expect.stringMatching(`^broker ${i + 1}  ${address}  pid \\d+$`)),
    `bootstrap ${bootstrap.join(",")}`,
  ]);
  const metrics = lines[4]?.replace(/^metrics /, "").split(",") ?? [];
  const scraped = await Promise.all(metrics.map(async (url) => (await fetch(url)).text()));
  expect(scraped.map((text) => /^ottla_broker_info\{broker_id="(\d)"/m.exec(text)?.[1])).toEqual(["1", "2", "3"]);
  const admin = new Admin({ bootstrap });
  orThrow(await admin.createTopics([{ name: "kept", partitions: 3, replicationFactor: 3 }]));
  await admin.close();
  const producer = new Producer({ bootstrap, valueSerde: stringSerde });
  for (let i = 0; i < 30; i++) await producer.send({ topic: "kept", partition: i % 3, value: `${i}` });
  await producer.close();

  const interruptedAtMs = performance.now();
  expect(await first.interrupt()).toBe(0);
  expect(performance.now() - interruptedAtMs).toBeLessThan(stopMaxMs);
  expect(await processesOf(data)).toEqual([]);

  const second = new Run(["--port", String(port), "--data", data, "--restart-after", "1"]);
  await second.ready();
  await using consumer = new Consumer({ bootstrap, valueSerde: stringSerde, stopAtEnd: true });
  await consumer.assign([{ topic: "kept", from: "beginning" }]);
  const values: number[] = [];
  for await (const { value } of consumer) values.push(Number(value));
  expect(values.sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, i) => i));

  const [victim = 0, ...others] = second.brokerPids;
  process.kill(victim, "SIGKILL");
  await waitUntil("the broker to be started again", () => second.err.includes("is back"));
  const [, log, again] =
    /^broker 1 is gone \(ended by SIGKILL\), its log is (\S+); it is started again in 1 s\nbroker 1 is back, pid (\d+)\n$/.exec(
      second.err,
    ) ?? [];
  expect(log).toBe(join(data, "broker-1", "broker.log"));
  expect(await Promise.all([Number(again), ...others].map(isAlive))).toEqual([true, true, true]);
  process.kill(Number(again), "SIGKILL");
  await waitUntil("its end to be told", () => second.err.split("is gone").length === 3);
  expect(await second.interrupt()).toBe(0);
  expect(await processesOf(data)).toEqual([]);
});

test("nothing outlives a killed `ottla up`", async () => {
  const port = await freeRange(1);
  const run = new Run(["--port", String(port), "--brokers", "1", "--data", data]);
  await run.ready();
  const pids = await processesOf(data);
  expect(pids).toEqual(expect.arrayContaining(run.brokerPids));
  run.kill();
  await waitUntil("every process to be gone", async () => !(await Promise.all(pids.map(isAlive))).includes(true));
});

test("says in one line that a port is in use, that the directory cannot be written, or that it is in use", async () => {
  const port = await freeRange(3);
  const taken = await listenOn(port + 1);
  const onTakenPort = new Run(["--port", String(port), "--data", data]);
  expect(await onTakenPort.exitCode).toBe(1);
  expect(onTakenPort.err).toBe(`ottla: port ${port + 1} on 127.0.0.1 is in use; choose others with --port\n`);
  await new Promise((resolve) => taken?.close(resolve));

  const file = join(folder, "a-file");
  await writeFile(file, "");
  const belowAFile = new Run(["--port", String(port), "--data", join(file, "data")]);
  expect(await belowAFile.exitCode).toBe(1);
  expect(belowAFile.err).toMatch(/^ottla: the data directory \S+ cannot be written \(ENOTDIR\); choose another with --data\n$/);

  const owner = new Run(["--port", String(port), "--brokers", "1", "--data", data]);
  await owner.ready();
  const intruder = new Run(["--port", String(port + 1), "--brokers", "1", "--data", data]);
  expect(await intruder.exitCode).toBe(1);
  expect(intruder.err).toMatch(/^ottla: the data directory \S+ is in use by another `ottla up` \(process \d+\); .*\n$/);
});

test("a ZooKeeper without the cluster that the data belongs to is told at once, and waited for; one of another cluster is refused", async () => {
  const port = await freeRange(1);
  const own = new Run(["--port", String(port), "--brokers", "1", "--data", data]);
  await own.ready();
  await own.interrupt();
  await using zookeeper = await TestZookeeper.start();
  const elsewhere = new Run([
    "--port",
    String(port),
    "--brokers",
    "1",
    "--data",
    data,
    "--zookeeper",
    `${zookeeper.host}:${zookeeper.port}`,
  ]);
  await waitUntil("what is waited for", () => elsewhere.err.includes("\n"));
  expect(elsewhere.err).toMatch(
    /^broker 1: not joining: ZooKeeper knows no cluster .* this broker belongs to cluster \S+\. .*ottla cluster recover/,
  );
  expect(elsewhere.err).toContain(`(ZooKeeper is at ${zookeeper.host}:${zookeeper.port})`);
  expect(await elsewhere.interrupt()).toBe(0);
  expect(elsewhere.err.match(/not joining/g)).toHaveLength(1);
  const other = new Run(["--port", String(port), "--brokers", "1", "--data", `${data}-other`, "--zookeeper", zookeeper.connectionString]);
  await other.ready();
  await other.interrupt();
  const mistaken = new Run(["--port", String(port), "--brokers", "1", "--data", data, "--zookeeper", zookeeper.connectionString]);
  expect(await mistaken.exitCode).toBe(1);
  expect(mistaken.err).toMatch(/^ottla: broker 1: \S+ holds data of cluster \S+, but this is cluster \S+: .*\n$/);
});

test("a broker that hangs is told of", async () => {
  const run = new Run(["--port", String(await freeRange(1)), "--brokers", "1", "--data", data]);
  await run.ready();
  const [pid = 0] = run.brokerPids;
  process.kill(pid, "SIGSTOP");
  try {
    await waitUntil("word of it", () => run.err.includes(`broker 1 has not answered for 3 s, and its process (${pid}) runs`));
  } finally {
    process.kill(pid, "SIGCONT");
  }
  expect(await run.interrupt()).toBe(0);
});

test("wrong options are a usage error", async () => {
  const run = new Run(["--brokers", "many"]);
  expect(await run.exitCode).toBe(2);
  expect(run.err).toContain("--brokers");
});
