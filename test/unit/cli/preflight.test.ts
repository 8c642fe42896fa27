import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkWritableDirectory } from "../../../cli/up/preflight.ts";
import { makeTestFolder, removeTestFolder } from "../../support/test-folder.ts";

let folder: string;
beforeEach(async () => {
  folder = await makeTestFolder("preflight");
});
afterEach(() => removeTestFolder(folder));

test("a directory is made with those above it, by several at once too", async () => {
  const path = join(folder, "a", "b", "c");
  await Promise.all([checkWritableDirectory(path), checkWritableDirectory(path), checkWritableDirectory(join(folder, "a", "d"))]);
  expect((await stat(path)).isDirectory()).toBe(true);
  await checkWritableDirectory(path);
});

test("a directory that cannot be made is refused at once, also where mkdir says that its existing parent is missing", async () => {
  await writeFile(join(folder, "file"), "");
  await mkdir(join(folder, "there"));
  const refused = (path: string, code: string) =>
    expect(checkWritableDirectory(path)).rejects.toThrow(
      `the data directory ${path} cannot be written (${code}); choose another with --data`,
    );
  await refused(join(folder, "file"), "EEXIST");
  await refused(join(folder, "file", "data"), "ENOTDIR");
  await refused("/proc/nope", "ENOENT");
  await refused("/proc/nope/data", "ENOENT");
});
