import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FickleMachine, fickleLibrary } from "../../chaos/machine/fickle-machine.ts";
import { makeTestFolder, removeTestFolder } from "../../support/test-folder.ts";

const folder = await makeTestFolder("fickle-machine");
const library = await fickleLibrary(folder);
const run = promisify(execFile);
const hourMs = 3_600_000;

/** What Node says on the machine. */
async function told(machine: FickleMachine, script: string): Promise<string> {
  const [command = "", ...args] = [...machine.prefix, process.execPath, "--eval", script, folder];
  return (await run(command, args)).stdout.trim();
}

/** The ways to the disk that the broker takes, each with its error's code, or "done" and after how many milliseconds. */
const useDisk = `
const fs = require("node:fs"), path = process.argv[1] + "/disk/file", chunk = [Buffer.from("a")];
const fd = fs.openSync(path, "r+");
const uses = {
  "direct write": () => fs.writevSync(fd, chunk, 0),
  write: () => new Promise((done, fail) => fs.writev(fd, chunk, 0, (error) => (error ? fail(error) : done()))),
  read: () => new Promise((done, fail) => fs.read(fd, Buffer.alloc(1), 0, 1, 0, (error) => (error ? fail(error) : done()))),
  sync: () => new Promise((done, fail) => fs.fdatasync(fd, (error) => (error ? fail(error) : done()))),
  truncate: () => new Promise((done, fail) => fs.ftruncate(fd, 1, (error) => (error ? fail(error) : done()))),
  "folder sync": async () => { const d = await fs.promises.open(process.argv[1] + "/disk"); await d.sync(); await d.close(); },
  rename: () => fs.promises.rename(path, path),
  elsewhere: () => fs.promises.writeFile(process.argv[1] + "/other", "a"),
};
(async () => {
  const found = {};
  for (const [name, use] of Object.entries(uses)) {
    const from = performance.now();
    const code = await (async () => use())().then(() => "done", (error) => error.code);
    found[name] = [code, Math.round(performance.now() - from)];
  }
  console.log(JSON.stringify(found));
})();`;

async function diskUses(machine: FickleMachine): Promise<Record<string, [code: string, tookMs: number]>> {
  return JSON.parse(await told(machine, useDisk)) as Record<string, [string, number]>;
}

describe.skipIf(typeof library === "string")("a fickle machine", () => {
  let machine: FickleMachine;

  beforeAll(async () => {
    await mkdir(join(folder, "disk"));
    await writeFile(join(folder, "disk", "file"), "abc");
    if (typeof library === "string") throw new Error(library);
    machine = await FickleMachine.make({ library: library.path, folder: join(folder, "one"), disk: join(folder, "disk") });
  });

  afterAll(async () => {
    await machine.forget();
    await removeTestFolder(folder);
  });

  test("has a wall clock that jumps under a running program, and a monotonic one that does not", async () => {
    const script = `
      const at = () => [Date.now(), performance.now()];
      let before = at();
      console.log("running");
      setInterval(() => {
        const now = at();
        if (now[0] < before[0]) {
          console.log(JSON.stringify(now.map((moment, which) => moment - before[which])));
          process.exit();
        }
        before = now;
      }, 50);`;
    await machine.setClock(0);
    const [command = "", ...args] = [...machine.prefix, process.execPath, "--eval", script];
    const running = run(command, args);
    running.child.stdout?.once("data", () => void machine.setClock(-hourMs));
    const [wallMs = 0, monotonicMs = 0] = JSON.parse((await running).stdout.split("\n")[1] ?? "[]") as number[];
    expect(wallMs).toBeLessThan(-hourMs + 60_000);
    expect(monotonicMs).toBeGreaterThan(0);
    expect(monotonicMs).toBeLessThan(60_000);
    await machine.setClock(0);
  });

  test("has a disk that fails where it is told to, and no other file does", async () => {
    await machine.setDisk({ failing: ["writes"] });
    const codes = Object.entries(await diskUses(machine)).map(([use, [code]]) => [use, code]);
    expect(Object.fromEntries(codes)).toEqual({
      "direct write": "EIO",
      write: "EIO",
      read: "done",
      sync: "done",
      truncate: "EIO",
      "folder sync": "done",
      rename: "EIO",
      elsewhere: "done",
    });
    await machine.setDisk({ failing: ["syncs"] });
    expect(await diskUses(machine)).toMatchObject({ write: ["done", expect.any(Number)], sync: ["EIO", expect.any(Number)] });
    await machine.setDisk({});
  });

  test("has a disk that takes its time", async () => {
    await machine.setDisk({ delayMs: 50, syncDelayMs: 500 });
    const uses = await diskUses(machine);
    for (const [use, leastMs] of [
      ["direct write", 50],
      ["write", 50],
      ["read", 50],
      ["sync", 500],
    ] as const) {
      expect(uses[use]?.[0]).toBe("done");
      expect(uses[use]?.[1]).toBeGreaterThanOrEqual(leastMs - 1);
    }
    await machine.setDisk({});
  });

  test("has a disk from which nothing comes back until it is mended", async () => {
    await machine.setDisk({ hangs: true });
    const uses = diskUses(machine);
    expect(await Promise.race([uses, new Promise((resolve) => setTimeout(resolve, 1_000, "waits"))])).toBe("waits");
    await machine.setDisk({});
    expect(await uses).toMatchObject({ write: ["done", expect.any(Number)] });
  });
});
