import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { zookeeperCommand } from "../../cli/zookeeper/zookeeper-command.ts";
import { ZookeeperProcess } from "../../cli/zookeeper/zookeeper-process.ts";
import { freePorts } from "../support/free-ports.ts";
import { isAlive } from "../support/is-alive.ts";
import { makeTestFolder, removeTestFolder } from "../support/test-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

let folder: string;
beforeEach(async () => {
  folder = await makeTestFolder("zookeeper-process");
});
afterEach(async () => {
  await removeTestFolder(folder);
});

const optionsAt = (clientPort: number) => ({
  settings: {
    dataDirectory: join(folder, "data"),
    host: "127.0.0.1",
    clientPort,
    tickTimeMs: 500,
    sessionTimeoutMinMs: 1_000,
    sessionTimeoutMaxMs: 60_000,
  },
  heapMaxMib: 128,
  syncToDisk: false,
  environment: process.env,
});

test("without Java or ZooKeeper the error says which packages to install", async () => {
  const options = { configFile: "/zoo.cfg", heapMaxMib: 128, syncToDisk: true };
  const nothing = zookeeperCommand({ ...options, environment: { PATH: folder }, jarDirectory: folder });
  await expect(nothing).rejects.toThrow(
    /^Java and ZooKeeper \(.*zookeeper\.jar\) not found: .*apt-get install zookeeper default-jre-headless/,
  );
  await writeFile(join(folder, "zookeeper.jar"), "");
  await expect(zookeeperCommand({ ...options, environment: { PATH: folder }, jarDirectory: folder })).rejects.toThrow(/^Java not found/);
});

test("a port in use is told in the error, with the server's own words", async () => {
  const taken = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const address = taken.address();
  const server = await ZookeeperProcess.start(optionsAt(address !== null && typeof address === "object" ? address.port : 0));
  await expect(server.serving(30_000)).rejects.toThrow(/stopped at once.*Address already in use/);
  expect(server.hasExited).toBe(true);
  await new Promise((resolve) => taken.close(resolve));
});

test("stops gently when asked, and at once", async () => {
  const [port = 0] = await freePorts(1);
  const server = await ZookeeperProcess.start(optionsAt(port));
  expect(await server.serving(30_000)).toBe("standalone");
  const startMs = performance.now();
  await server.stop(5_000);
  expect(performance.now() - startMs).toBeLessThan(5_000);
  expect(await isAlive(server.pid)).toBe(false);
});

test.each(["SIGKILL", "SIGTERM"] as const)("does not outlive a parent that ends by %s, though it is stopped (SIGSTOP)", async (signal) => {
  const script = join(folder, "parent.ts");
  const [port = 0] = await freePorts(1);
  const module = join(import.meta.dirname, "../../cli/zookeeper/zookeeper-process.ts");
  await writeFile(
    script,
    `import { ZookeeperProcess } from ${JSON.stringify(module)};
     const server = await ZookeeperProcess.start(${JSON.stringify({ ...optionsAt(port), environment: { PATH: process.env.PATH } })});
     await server.serving(30_000);
     server.signal("SIGSTOP");
     console.log(server.pid);
     setInterval(() => {}, 1_000);`,
  );
  const parent = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  parent.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  const pid = await waitUntil("the server's pid", () => (printed.endsWith("\n") ? Number(printed) : null));
  expect(await isAlive(pid)).toBe(true);
  parent.kill(signal);
  await waitUntil("the server's end", async () => !(await isAlive(pid)));
});
