import { spawn, spawnSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestCluster } from "../support/cluster.ts";
import { freePorts } from "../support/free-ports.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const nobody = "127.0.0.1:1";
let cluster: TestCluster;
let folder: string;
let port: string;

beforeAll(async () => {
  folder = await makeTestFolder("which-cluster");
  cluster = await TestCluster.start({ brokers: 1 });
  port = cluster.bootstrap[0]?.split(":")[1] ?? "";
});
afterAll(async () => {
  await cluster?.stop();
  await removeTestFolder(folder);
});

function ottla(args: string, environment: NodeJS.ProcessEnv = {}, cwd = folder) {
  const env = { ...process.env, OTTLA_BOOTSTRAP: "", XDG_CONFIG_HOME: join(folder, "config"), ...environment };
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args.split(" ")], { encoding: "utf8", env, cwd });
  return { code: status, stdout, stderr };
}

/** The broker's address as the command prints it, or where it looked for one in vain. */
function asked(args: string, environment?: NodeJS.ProcessEnv): string | undefined {
  const { stdout, stderr } = ottla(`cluster describe --timeout 1${args === "" ? "" : ` ${args}`}`, environment);
  return /no answer from (\S+ (?:\((?:of|from)[^)]*\))?)/.exec(stderr)?.[1]?.trim() ?? /127\.0\.0\.1:\d+/.exec(stdout)?.[0];
}

test("a command goes where --bootstrap, --profile, OTTLA_BOOTSTRAP or the profile in use says, in this order", () => {
  const here = `127.0.0.1:${port}`;
  expect(ottla(`profile add here --bootstrap localhost:${port}`)).toEqual({
    code: 0,
    stdout: `profile here: localhost:${port}; in use from now on\n`,
    stderr: "",
  });
  expect(asked("")).toBe(here);
  expect(asked("", { OTTLA_BOOTSTRAP: nobody })).toBe(`${nobody} (from OTTLA_BOOTSTRAP)`);
  expect(asked("--profile here", { OTTLA_BOOTSTRAP: nobody })).toBe(here);
  expect(asked(`--bootstrap ${here}`, { OTTLA_BOOTSTRAP: nobody })).toBe(here);
  ottla(`profile add nobody --bootstrap ${nobody} --use`);
  expect(asked("")).toBe(`${nobody} (of profile nobody)`);
  expect(asked("", { OTTLA_BOOTSTRAP: `localhost:${port}` })).toBe(here);
  expect(ottla("profile list", { OTTLA_BOOTSTRAP: here })).toEqual({
    code: 0,
    stdout: `   profile  bootstrap\n   here     localhost:${port}\n*  nobody   ${nobody}\n`,
    stderr: `ottla: OTTLA_BOOTSTRAP is set (${here}), and comes before the profile in use\n`,
  });
  expect(ottla("profile remove nobody").stdout).toBe("removed nobody; no profile is in use now\n");
});

test("an address that is none is told with what is wrong, wherever it is from; one without a port means 9092", () => {
  const wrong = '"localhost:99999" is no broker address: a port is a number from 1 to 65535';
  expect(ottla("topic list --bootstrap localhost:99999")).toMatchObject({ code: 2, stderr: expect.stringContaining(wrong) });
  expect(ottla("topic list", { OTTLA_BOOTSTRAP: "localhost:99999" })).toEqual({
    code: 2,
    stdout: "",
    stderr: `ottla: OTTLA_BOOTSTRAP: ${wrong}\n`,
  });
  expect(ottla("up --zookeeper localhost:99999")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("a port is a number from 1 to 65535"),
  });
  expect(ottla("profile add plain --bootstrap localhost").stdout).toContain("localhost:9092");
});

test("where nothing is named, a command goes to all brokers of `ottla up` in its folder, and never advises to start what runs", async () => {
  const here = join(folder, "here");
  await mkdir(here);
  const [first = 0] = await freePorts(2, { adjacent: true });
  const env = { ...process.env, OTTLA_BOOTSTRAP: "", XDG_CONFIG_HOME: join(here, "config") };
  const up = spawn(process.execPath, [main, "up", "--brokers", "2", "--no-restart", "--port", `${first}`], { cwd: here, env });
  const ended = new Promise((resolve) => up.once("exit", resolve));
  let printed = "";
  up.stdout.on("data", (chunk: Buffer) => {
    printed += chunk;
  });
  const ask = (args: string) => ottla(args, { XDG_CONFIG_HOME: env.XDG_CONFIG_HOME }, here);
  const pids = () => [...printed.matchAll(/pid (\d+)/g)].map(([, pid]) => Number(pid));
  try {
    await waitUntil("the cluster", () => printed.includes("bootstrap "));
    process.kill(pids()[0] ?? 0, "SIGKILL");
    expect(ask("topic list")).toMatchObject({ code: 0, stderr: "" });
    process.kill(pids()[1] ?? 0, "SIGKILL");
    const both = `no answer from 127.0.0.1:${first}, 127.0.0.1:${first + 1} (of \`ottla up\` in .ottla)`;
    const nobody = ask("cluster describe --timeout 2");
    expect(nobody).toMatchObject({ code: 1, stderr: expect.stringContaining(both) });
    expect(nobody.stderr).toMatch(/the one of `ottla up` in \.ottla runs: see `ottla status`, or name another with --bootstrap\n$/);
    expect(ask("cluster describe --timeout 1 --bootstrap 127.0.0.1:1").stderr).toContain("see `ottla status`");
  } finally {
    up.kill("SIGTERM");
    await ended;
  }
});
