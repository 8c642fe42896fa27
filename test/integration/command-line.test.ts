import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { freePorts } from "../support/free-ports.ts";
import { isAlive } from "../support/is-alive.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const main = join(root, "cli", "main.ts");
const running: Program[] = [];
afterEach(() => {
  for (const program of running.splice(0)) program.signal("SIGKILL");
});

/** A Node program of ours as a process of its own. */
class Program {
  out = "";
  err = "";
  readonly #child: ChildProcess;
  readonly exitCode: Promise<number | null>;

  constructor(args: readonly string[], { stdout = "pipe" as "pipe" | number, env = process.env } = {}) {
    this.#child = spawn(process.execPath, args, { stdio: ["ignore", stdout, "pipe"], env });
    this.#child.stdout?.on("data", (chunk) => {
      this.out += chunk;
    });
    this.#child.stderr?.on("data", (chunk) => {
      this.err += chunk;
    });
    this.exitCode = new Promise((resolve) => this.#child.once("close", (code) => resolve(code)));
    running.push(this);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

function ottla(...args: string[]): Program {
  return new Program([main, ...args]);
}

/** The command with standard output on a device that is always full. */
async function onFullDevice(...args: string[]): Promise<Program> {
  const device = openSync("/dev/full", "w");
  const program = new Program([main, ...args], { stdout: device });
  closeSync(device);
  await program.exitCode;
  return program;
}

async function nobody(): Promise<string> {
  const [port] = await freePorts(1);
  return `127.0.0.1:${port}`;
}

test("the version is the package's", async () => {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const program = ottla("--version");
  expect(await program.exitCode).toBe(0);
  expect(program.out).toBe(`${version}\n`);
});

test("output that cannot be written is told in one line, with exit code 1, whoever writes it", async () => {
  const folder = await makeTestFolder("full");
  try {
    const checkpoint = join(folder, "leader-epoch-checkpoint");
    await writeFile(checkpoint, "0\n1\n0 0\n");
    for (const args of [["--help"], ["log", "dump", checkpoint]]) {
      const program = await onFullDevice(...args);
      expect({ args, code: await program.exitCode }).toEqual({ args, code: 1 });
      expect(program.err).toMatch(/^ottla: standard output cannot be written: [^\n]+\n$/);
    }
  } finally {
    await removeTestFolder(folder);
  }
});

test("a broker is missing: that is told after two seconds, and given up in time", async () => {
  const bootstrap = await nobody();
  const programs = [ottla("topic", "list", "--bootstrap", bootstrap), ottla("produce", "t", "--timeout", "3", "--bootstrap", bootstrap)];
  for (const program of programs) {
    await waitUntil("the wait to be told", () => program.err !== "");
    const toldAtMs = performance.now();
    expect(await program.exitCode).toBe(1);
    expect(performance.now() - toldAtMs).toBeLessThan(15_000);
    expect(program.err.split("\n")).toEqual([
      expect.stringMatching(`^ottla: no broker answers at ${bootstrap} \\(.*refuses connections\\); trying until \\d\\d:\\d\\d:\\d\\d$`),
      expect.stringMatching(`^ottla: no answer from ${bootstrap} \\(.*; start a cluster with .*$`),
      "",
    ]);
  }
});

test("who is told to stop while no broker answers ends at once and says what came of it", async () => {
  const bootstrap = await nobody();
  const waiting = async (...args: string[]) => {
    const program = ottla(...args, "--bootstrap", bootstrap);
    await waitUntil("the wait to be told", () => program.err.includes("trying until"));
    program.err = "";
    program.signal("SIGTERM");
    return { code: await program.exitCode, err: program.err };
  };
  expect(await waiting("topic", "list")).toEqual({ code: 1, err: "ottla: stopped before any broker answered; nothing was done\n" });
  expect(await waiting("produce", "t", "--timeout", "60")).toMatchObject({
    code: 1,
    err: expect.not.stringContaining("client was closed"),
  });
  expect(await waiting("consume", "t")).toEqual({ code: 0, err: "" });
});

test("a data directory that cannot be made is told at once, also where its parent takes nothing", async () => {
  const program = ottla("up", "--data", "/proc/nope");
  expect(await program.exitCode).toBe(1);
  expect(program.err).toBe("ottla: the data directory /proc/nope cannot be written (ENOENT); choose another with --data\n");
});

test("a program that runs in a wrapper's place has its output and exit code, and ends when the wrapper is killed", async () => {
  const inOurPlace = (...args: string[]) => {
    const script = `import { runNodeInOurPlace } from ${JSON.stringify(join(root, "deploy", "run-child.mjs"))};
      process.exitCode = await runNodeInOurPlace(process.execPath, ${JSON.stringify([main, ...args])});`;
    return new Program(["--input-type=module", "--eval", script]);
  };
  const short = inOurPlace("produce");
  expect(await short.exitCode).toBe(2);
  expect(short.err).toBe("ottla: missing required argument 'topic' (add --help for the options)\n");

  const wrapper = inOurPlace("produce", "t", "--timeout", "600", "--bootstrap", await nobody());
  await waitUntil("the program to be at work", () => wrapper.err.includes("trying until"));
  const [child = 0] = (await readFile(`/proc/${wrapper.pid}/task/${wrapper.pid}/children`, "utf8")).trim().split(" ").map(Number);
  expect(await isAlive(child)).toBe(true);
  wrapper.signal("SIGKILL");
  await waitUntil("the program to be gone", async () => !(await isAlive(child)), { timeoutMs: 10_000 });
});

test("what a user cannot install is told before anything is installed", async () => {
  const folder = await makeTestFolder("set-up");
  try {
    await mkdir(join(folder, "bin"));
    await cp(join(root, "deploy"), join(folder, "deploy"), { recursive: true });
    await cp(join(root, "package-lock.json"), join(folder, "package-lock.json"));
    await symlink(process.execPath, join(folder, "bin", "node"));
    // neither npm, java nor apt-get
    const program = new Program([join(folder, "deploy", "run.mjs"), "cli/main.ts", "up"], { env: { PATH: join(folder, "bin") } });
    expect(await program.exitCode).toBe(1);
    expect(program.err).toMatch(/^ottla: missing: Java[^\n]+Run as root: apt-get install [^\n]+\n$/);
  } finally {
    await removeTestFolder(folder);
  }
});

test("consume that is told to stop while it is still being loaded has ended as its user wants", async () => {
  // the one who tells it is a part of it, so that it happens neither before nor after
  const whileLoaded = `import { registerHooks } from "node:module";
    registerHooks({ resolve(specifier, context, next) {
      if (specifier.includes("register-consume")) process.kill(process.pid, "SIGINT");
      return next(specifier, context);
    } });`;
  const program = new Program(["--import", `data:text/javascript,${encodeURIComponent(whileLoaded)}`, main, "consume", "any"]);
  expect(await program.exitCode).toBe(0);
});
