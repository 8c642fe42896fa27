import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { afterAll, describe, expect, test } from "vitest";
import { type FileSystem, replaceFile } from "../../../broker/runtime/files.ts";
import { nodeFileSystem } from "../../../broker/runtime/node-files.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { StillClock } from "./log-fixture.ts";

const made: string[] = [];
afterAll(async () => {
  for (const path of made) await rm(path, { recursive: true, force: true });
});

const kinds: readonly { name: string; make: () => Promise<{ files: FileSystem; at: string }> }[] = [
  {
    name: "the machine's files",
    make: async () => {
      const at = await mkdtemp(`${tmpdir()}/ottla-files-`);
      made.push(at);
      return { files: nodeFileSystem(), at };
    },
  },
  {
    name: "the simulated disk",
    make: async () => {
      const files = new MemoryDisk({ clock: new StillClock(), random: seededRandom(1) }).attach();
      await files.makeDirectory("/at");
      return { files, at: "/at" };
    },
  },
];

const withCode = (code: string) => (error: unknown) => error instanceof Error && "code" in error && error.code === code;

for (const { name, make } of kinds) {
  describe(name, () => {
    test("writes chunks at a position and reads them back", async () => {
      const { files, at } = await make();
      const file = await files.open(`${at}/a`, "readwrite");
      await file.write([Buffer.from("hello "), Buffer.from(""), Buffer.from("world")], 0);
      await file.write([Buffer.from("W")], 6);
      expect(await file.size()).toBe(11);
      const target = Buffer.alloc(20, ".");
      expect(await file.read(target, 2, 15, 0)).toBe(11);
      expect(target.toString()).toBe("..hello World.......");
      expect(await file.read(target, 0, 5, 11)).toBe(0);
      await file.sync();
      await file.close();
      expect(String(await files.readFile(`${at}/a`))).toBe("hello World");
      expect(await files.size(`${at}/a`)).toBe(11);
    });

    test("writes more chunks than one system call takes", async () => {
      const { files, at } = await make();
      const file = await files.open(`${at}/a`, "readwrite");
      const chunks = Array.from({ length: 3000 }, (_, i) => Buffer.from(`${i};`));
      await file.write(chunks, 3);
      await file.close();
      expect((await files.readFile(`${at}/a`)).toString("latin1")).toBe(`\0\0\0${chunks.join("")}`);
    });

    test("truncates, and a gap reads as zeros", async () => {
      const { files, at } = await make();
      const file = await files.open(`${at}/a`, "readwrite");
      await file.write([Buffer.from("abcdef")], 0);
      await file.truncate(2);
      await file.write([Buffer.from("z")], 4);
      await file.close();
      expect((await files.readFile(`${at}/a`)).toString("latin1")).toBe("ab\0\0z");
    });

    test("opening for reading needs the file, and does not allow writing", async () => {
      const { files, at } = await make();
      await expect(files.open(`${at}/a`, "read")).rejects.toSatisfy(withCode("ENOENT"));
      await expect(files.readFile(`${at}/a`)).rejects.toSatisfy(withCode("ENOENT"));
      await expect(files.size(`${at}/a`)).rejects.toSatisfy(withCode("ENOENT"));
      await expect(files.list(`${at}/nowhere`)).rejects.toSatisfy(withCode("ENOENT"));
      await (await files.open(`${at}/a`, "readwrite")).close();
      const file = await files.open(`${at}/a`, "read");
      await expect(file.write([Buffer.from("x")], 0)).rejects.toSatisfy(withCode("EBADF"));
      await file.close();
      await file.close();
      await expect(file.size()).rejects.toSatisfy(withCode("EBADF"));
    });

    test("lists sorted, makes parents, renames over, removes whole folders", async () => {
      const { files, at } = await make();
      await files.makeDirectory(`${at}/x/y/z`);
      await files.makeDirectory(`${at}/x/y/z`);
      for (const name of ["b", "a", "c"]) await (await files.open(`${at}/x/${name}`, "readwrite")).close();
      expect(await files.list(`${at}/x`)).toStrictEqual(["a", "b", "c", "y"]);
      const a = await files.open(`${at}/x/a`, "readwrite");
      await a.write([Buffer.from("from a")], 0);
      await files.rename(`${at}/x/a`, `${at}/x/b`);
      await a.write([Buffer.from("F")], 0);
      await a.close();
      expect(String(await files.readFile(`${at}/x/b`))).toBe("From a");
      await files.rename(`${at}/x`, `${at}/w`);
      expect(!(await files.exists(`${at}/x`))).toBeTruthy();
      expect(await files.exists(`${at}/w/y/z`)).toBeTruthy();
      await files.syncDirectory(at);
      await files.remove(`${at}/w`);
      await files.remove(`${at}/w`);
      expect(!(await files.exists(`${at}/w`))).toBeTruthy();
      await expect(files.rename(`${at}/none`, `${at}/other`)).rejects.toSatisfy(withCode("ENOENT"));
    });

    test("an open file survives its removal", async () => {
      const { files, at } = await make();
      const file = await files.open(`${at}/a`, "readwrite");
      await file.write([Buffer.from("still here")], 0);
      await files.remove(`${at}/a`);
      const target = Buffer.alloc(10);
      expect(await file.read(target, 0, 10, 0)).toBe(10);
      expect(String(target)).toBe("still here");
      await file.close();
    });

    test("closing waits for what is under way", async () => {
      const { files, at } = await make();
      const file = await files.open(`${at}/a`, "readwrite");
      const write = file.write([Buffer.alloc(100_000, "x")], 0);
      await Promise.all([write, file.close()]);
      expect(await files.size(`${at}/a`)).toBe(100_000);
    });

    test("replaces a small file in one step", async () => {
      const { files, at } = await make();
      await replaceFile(files, `${at}/c`, Buffer.from("one, and long"));
      await replaceFile(files, `${at}/c`, Buffer.from("two"));
      expect(String(await files.readFile(`${at}/c`))).toBe("two");
      expect(await files.list(at)).toStrictEqual(["c"]);
    });

    test("a lock is held once, and given back", async () => {
      const { files, at } = await make();
      expect(await files.lock(`${at}/.lock`)).toBeTruthy();
      expect(!(await files.lock(`${at}/.lock`))).toBeTruthy();
      await files.unlock(`${at}/.lock`);
      expect(await files.lock(`${at}/.lock`)).toBeTruthy();
      await files.unlock(`${at}/.lock`);
    });
  });
}

test("a lock of the machine's files keeps out other processes and dies with its own", async () => {
  const { files, at } = await kinds[0]!.make();
  const script = `const { nodeFileSystem } = await import(${JSON.stringify(new URL("../../../broker/runtime/node-files.ts", import.meta.url).href)});
    console.log(await nodeFileSystem().lock(${JSON.stringify(`${at}/.lock`)})); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise((resolve) => holder.once("exit", resolve));
  const said = await new Promise<string>((resolve) => holder.stdout.once("data", (data) => resolve(String(data).trim())));
  expect(said).toBe("true");
  expect(!(await files.lock(`${at}/.lock`)), "another process holds it").toBeTruthy();
  holder.kill("SIGKILL");
  await exited;
  expect(await files.lock(`${at}/.lock`), "free once that process is gone").toBeTruthy();
  await files.unlock(`${at}/.lock`);
});

describe("the simulated disk", () => {
  const start = (seed: number) => new MemoryDisk({ clock: new StillClock(), random: seededRandom(seed) });

  test("what was synced survives a crash, what was not is a beginning of it, by seed", async () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const contentAfter = async () => {
        const disk = start(seed);
        const files = disk.attach();
        const file = await files.open("/a", "readwrite");
        await file.write([Buffer.from("synced|")], 0);
        await file.sync();
        await files.syncDirectory("/");
        await file.write([Buffer.from("one|")], 7);
        await file.write([Buffer.from("two|")], 11);
        disk.crash();
        return (await disk.attach().readFile("/a")).toString("latin1");
      };
      const content = await contentAfter();
      expect(await contentAfter(), `seed ${seed} repeats`).toBe(content);
      expect(content.startsWith("synced|"), content).toBeTruthy();
      expect("synced|one|two|".startsWith(content.replace(/\0+$/, "")), content).toBeTruthy();
      outcomes.add(content);
    }
    expect(outcomes.size > 5, `many outcomes, got ${outcomes.size}`).toBeTruthy();
  });

  test("a name that was not synced may be lost; killing the process alone loses nothing", async () => {
    let lost = 0;
    for (let seed = 0; seed < 40; seed++) {
      for (const power of [true, false]) {
        const disk = start(seed);
        const file = await disk.attach().open("/a", "readwrite");
        await file.write([Buffer.from("x")], 0);
        await file.sync();
        if (power) disk.crash();
        else disk.loseProcess();
        const there = await disk.attach().exists("/a");
        if (power && !there) lost++;
        if (!power) expect(there).toBeTruthy();
      }
    }
    expect(lost > 5 && lost < 35, `${lost} of 40 lost`).toBeTruthy();
  });

  test("a lost process is never answered, and its lock is free", async () => {
    const disk = start(1);
    const [before, after] = [disk.attach(), () => disk.attach()];
    expect(await before.lock("/l")).toBeTruthy();
    disk.loseProcess();
    let answered = false;
    void before.list("/").finally(() => {
      answered = true;
    });
    expect(await after().lock("/l")).toBeTruthy();
    expect(!answered).toBeTruthy();
  });

  test("faults can be injected by operation and path", async () => {
    const disk = start(1);
    const files = disk.attach();
    const file = await files.open("/a", "readwrite");
    disk.fault = ({ kind, path }) => (kind === "write" && path === "/a" ? "ENOSPC" : null);
    await expect(file.write([Buffer.from("x")], 0)).rejects.toSatisfy(withCode("ENOSPC"));
    await file.sync();
  });
});
