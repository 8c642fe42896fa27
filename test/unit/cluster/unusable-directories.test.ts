import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { DataDirectories } from "../../../broker/data-directories.ts";
import { nodeFileSystem } from "../../../broker/runtime/node-files.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { SmallDisk } from "../../support/small-disk.ts";
import { makeTestFolder, removeTestFolder } from "../../support/test-folder.ts";
import { moduleAddress, runUnprivileged, whyNotUnprivileged } from "../../support/unprivileged.ts";

const folder = await makeTestFolder("unusable");
await chmod(folder, 0o755);
const full = await SmallDisk.mount(join(folder, "full"), 1);
const filesOnly = await SmallDisk.mount(join(folder, "no-more-files"), 1, 1);
if (typeof full === "string") console.log(`skipped: ${full}`);
const noUser = await whyNotUnprivileged();
if (noUser !== null) console.log(`skipped: ${noUser}`);

afterAll(async () => {
  for (const disk of [full, filesOnly]) if (typeof disk !== "string") await disk.unmount();
  await chmod(join(folder, "closed"), 0o755).catch(() => undefined);
  await removeTestFolder(folder);
});

/** What the start of a broker on the directory rejects with, up to where it has made the directory its own. */
async function startFailure(path: string): Promise<string> {
  const directories = new DataDirectories([path], { files: nodeFileSystem(), random: seededRandom(1), log: silentLogger, brokerId: 7 });
  try {
    await directories.lock();
    await directories.claim("c");
  } catch (error) {
    return (error as Error).message;
  } finally {
    await directories.unlock();
  }
  return "it started";
}

const startFailureOfUser = (path: string) =>
  runUnprivileged(`
    const { DataDirectories } = await import(${moduleAddress("broker/data-directories.ts")});
    const { nodeFileSystem } = await import(${moduleAddress("broker/runtime/node-files.ts")});
    const log = { error() {} };
    const directories = new DataDirectories([${JSON.stringify(path)}], { files: nodeFileSystem(), random: {}, log, brokerId: 7 });
    console.log(await directories.lock().then(() => "it was locked", (error) => error.message));`);

const unusable = (path: string, why: string) => `the data directory ${path} cannot be used: log directory ${path} is offline: ${why}`;

describe.skipIf(typeof full === "string")("a data directory that is full when a broker starts", () => {
  test("can be locked, for nothing is written for that; the operator is told of the first file that is, and to free space", async () => {
    const { path } = full as SmallDisk;
    await writeFile(join(path, "filler"), Buffer.alloc(2 * 1024 * 1024)).catch(() => undefined);
    const why = `writing ${path}/meta.properties.tmp failed: no space is left on the device (ENOSPC); free space there, or give the file system more`;
    expect(await startFailure(path)).toBe(unusable(path, why));
    expect(await readdir(path)).toEqual([".lock", "filler", "meta.properties.tmp"]);
  });

  test("where no file can be made, not even the lock, is told as such", async () => {
    const { path } = filesOnly as SmallDisk;
    const why = `opening ${path}/.lock failed: no space is left on the device (ENOSPC); free space there, or give the file system more`;
    expect(await startFailure(path)).toBe(unusable(path, why));
  });
});

describe.skipIf(noUser !== null)("a data directory that the broker's user has no right to", () => {
  const remedy = "permission was denied (EACCES); give the broker's user the right to read and write all that is in there";

  test("at all is told with the file and the remedy", async () => {
    const path = join(folder, "closed");
    await mkdir(path, { mode: 0o000 });
    expect(await startFailureOfUser(path)).toBe(unusable(path, `opening ${path}/.lock failed: ${remedy}`));
  });

  test("to write to is told with the file and the remedy", async () => {
    const path = join(folder, "not-writable");
    await mkdir(path, { mode: 0o555 });
    expect(await startFailureOfUser(path)).toBe(unusable(path, `opening ${path}/.lock failed: ${remedy}`));
  });

  test("but for its lock, is not used: such a lock would keep no other broker out", async () => {
    const path = join(folder, "lock-of-another");
    await mkdir(path);
    await chmod(path, 0o777);
    await writeFile(join(path, ".lock"), "", { mode: 0o444 });
    expect(await startFailureOfUser(path)).toBe(unusable(path, `writing ${path}/.lock failed: ${remedy}`));
  });

  test("while another broker runs on it, is in use", async () => {
    const path = join(folder, "in-use");
    const files = nodeFileSystem();
    await mkdir(path);
    expect(await files.lock(join(path, ".lock"))).toBe(true);
    await chmod(path, 0o755);
    expect(await startFailureOfUser(path)).toBe(`the data directory ${path} is in use by another broker process`);
    await files.unlock(join(path, ".lock"));
  });
});
