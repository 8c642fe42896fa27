import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DirectWrites } from "../../../broker/runtime/direct-writes.ts";
import { nodeFileSystem } from "../../../broker/runtime/node-files.ts";

const kib = 1024;

function policy() {
  let nowMs = 0;
  const direct = new DirectWrites(() => nowMs);
  return {
    direct,
    pass: (ms: number) => {
      nowMs += ms;
    },
    /** A direct write that takes so long. */
    write: (ms: number) =>
      direct.timed(() => {
        nowMs += ms;
      }),
  };
}

describe("writes on the main thread", () => {
  test("are for what the kernel takes at once", () => {
    const { direct, write } = policy();
    expect([direct.mayWrite(128 * kib), direct.mayWrite(8 * 1024 * kib)]).toEqual([true, false]);
    for (let i = 0; i < 100; i++) write(5);
    expect(direct.mayWrite(kib)).toBe(true);
  });

  test("end with the first that had to wait, for longer each time it happens again soon, and not for ever", () => {
    const { direct, pass, write } = policy();
    const pauses: number[] = [];
    for (let i = 0; i < 7; i++) {
      write(80);
      let pausedMs = 0;
      for (; !direct.mayWrite(kib); pausedMs += 1_000) pass(1_000);
      pauses.push(pausedMs / 1000);
    }
    expect(pauses).toEqual([30, 60, 120, 240, 480, 600, 600]);
    pass(600_000);
    write(80);
    pass(30_000);
    expect(direct.mayWrite(kib), "after a calm time it begins anew").toBe(true);
  });

  test("end with many that had to wait a little each", () => {
    const { direct, write } = policy();
    for (let i = 0; i < 12; i++) write(45);
    expect(direct.mayWrite(kib)).toBe(false);
  });

  test("one stall that many waited in is one", async () => {
    const { direct, pass } = policy();
    const { promise, resolve } = Promise.withResolvers<void>();
    const syncs = Array.from({ length: 8 }, () => direct.syncing(promise));
    pass(2_000);
    resolve();
    await Promise.all(syncs);
    pass(30_000);
    expect(direct.mayWrite(kib)).toBe(true);
  });

  test("a failure that took long counts as well, and is passed on", () => {
    const { direct, pass } = policy();
    const write = () =>
      direct.timed(() => {
        pass(2_000);
        throw new Error("EIO");
      });
    expect(write).toThrow("EIO");
    expect(direct.mayWrite(kib)).toBe(false);
  });

  test("stop while a sync takes long, before a write has to wait, and for a while after", async () => {
    const { direct, pass } = policy();
    const { promise, resolve } = Promise.withResolvers<void>();
    const syncing = direct.syncing(promise);
    pass(900);
    expect(direct.mayWrite(kib)).toBe(true);
    pass(100);
    expect(direct.mayWrite(kib)).toBe(false);
    resolve();
    await syncing;
    pass(29_000);
    expect(direct.mayWrite(kib)).toBe(false);
    pass(1_000);
    expect(direct.mayWrite(kib)).toBe(true);
  });

  test("put the same bytes in the same place, and tell the same failures, as those of the pool", async () => {
    const folder = await mkdtemp(join(tmpdir(), "direct-writes-"));
    try {
      const chunks = Array.from({ length: 3_000 }, (_, i) => Buffer.alloc(i % 7, i));
      const [pooled, direct] = await Promise.all(
        [null, new DirectWrites(() => 0)].map(async (policy, i) => {
          const file = await nodeFileSystem(policy).open(join(folder, `${i}`), "readwrite");
          await file.write(chunks, 5);
          await file.write([], 5);
          await file.sync();
          await file.close();
          await expect(file.write([Buffer.from("x")], 0)).rejects.toMatchObject({ code: "EBADF" });
          const readOnly = await nodeFileSystem(policy).open(join(folder, `${i}`), "read");
          await expect(readOnly.write([Buffer.from("x")], 0)).rejects.toMatchObject({ code: "EBADF", path: join(folder, `${i}`) });
          await readOnly.close();
          return readFile(join(folder, `${i}`));
        }),
      );
      expect(pooled?.length).toBe(5 + Buffer.concat(chunks).length);
      expect(direct).toEqual(pooled);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
