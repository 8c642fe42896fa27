import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { FickleMachine, fickleLibrary } from "../../chaos/machine/fickle-machine.ts";
import { makeTestFolder, removeTestFolder } from "../../support/test-folder.ts";

const folder = await makeTestFolder("sync-lane");
const library = await fickleLibrary(folder);
const syncMs = 2_000;

/** More syncs than threads, then a write and a read: how long the latter two took. */
const script = `
import { nodeFileSystem } from ${JSON.stringify(join(import.meta.dirname, "../../../broker/runtime/node-files.ts"))};
const files = nodeFileSystem();
const open = (name) => files.open(process.argv[1] + "/" + name, "readwrite");
const all = await Promise.all(Array.from({ length: 9 }, (_, number) => open("file-" + number)));
const [used, ...synced] = all;
await used.write([Buffer.from("a")], 0);
const syncs = Promise.all(synced.map((file) => file.sync()));
const from = performance.now();
await used.write([Buffer.from("b")], 1);
await used.read(Buffer.alloc(2), 0, 2, 0);
const tookMs = performance.now() - from;
await syncs;
console.log(JSON.stringify({ tookMs, syncsMs: performance.now() - from }));`;

afterAll(() => removeTestFolder(folder));

test.skipIf(typeof library === "string")("what is written and read does not wait for a thread while files are synced", async () => {
  if (typeof library === "string") throw new Error(library);
  const disk = join(folder, "disk");
  await mkdir(disk);
  const machine = await FickleMachine.make({ library: library.path, folder: join(folder, "one"), disk });
  try {
    await machine.setDisk({ syncDelayMs: syncMs });
    const [command = "", ...args] = [...machine.prefix, process.execPath, "--input-type=module", "--eval", script, disk];
    const { stdout } = await promisify(execFile)(command, args);
    const { tookMs, syncsMs } = JSON.parse(stdout) as { tookMs: number; syncsMs: number };
    expect(tookMs).toBeLessThan(syncMs / 2);
    expect(syncsMs, "three at a time").toBeGreaterThan(2.5 * syncMs);
  } finally {
    await machine.forget();
  }
});
