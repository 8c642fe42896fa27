import { execFile } from "node:child_process";
import { rmdir } from "node:fs/promises";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { MemoryLimit, memoryGroups } from "../../support/memory-limit.ts";

const groups = await memoryGroups();
const run = promisify(execFile);
const mebibyte = 1024 * 1024;
const usesMuch = `console.log(Buffer.alloc(200 * ${mebibyte}, 1).length)`;

describe.skipIf(typeof groups === "string")("a memory limit", () => {
  afterAll(async () => {
    if (typeof groups !== "string") await rmdir(groups.root);
  });

  test("ends a program that uses more, and no other one; without it, it goes on", async () => {
    if (typeof groups === "string") throw new Error(groups);
    const limit = await MemoryLimit.make(groups, "one");
    const [command = "", ...args] = [...limit.prefix, process.execPath, "--eval", usesMuch];
    await limit.set(100 * mebibyte);
    await expect(run(command, args)).rejects.toMatchObject({ signal: "SIGKILL" });
    expect(await limit.usedBytes()).toBeLessThan(100 * mebibyte);
    await limit.set(null);
    expect((await run(command, args)).stdout.trim()).toBe(String(200 * mebibyte));
    await limit.remove();
  });
});
