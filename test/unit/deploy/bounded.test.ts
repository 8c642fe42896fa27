import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isAlive } from "../../support/is-alive.ts";
import { makeTestFolder, removeTestFolder } from "../../support/test-folder.ts";

interface BoundedEnd {
  readonly code: number | null;
  readonly isLate: boolean;
  readonly left: number;
}
interface Bounds {
  readonly stopAfterMs: number;
  readonly graceMs: number;
  readonly env: NodeJS.ProcessEnv;
}
type RunBounded = (command: string, args: readonly string[], bounds: Bounds) => Promise<BoundedEnd>;

const source = new URL("../../../deploy/bounded.mjs", import.meta.url).href;
const { runBounded } = (await import(source)) as { readonly runBounded: RunBounded };
const { env } = process;

let folder: string;
beforeEach(async () => {
  folder = await makeTestFolder("bounded");
});
afterEach(() => removeTestFolder(folder));

test("a program that ends by itself: its exit code, and nothing to kill", async () => {
  const ended = await runBounded("/bin/sh", ["-c", "exit 3"], { env, stopAfterMs: 60_000, graceMs: 1000 });
  expect(ended).toEqual({ code: 3, isLate: false, left: 0 });
});

test("what it started is killed after its end, in whichever session it is", async () => {
  const pidFile = join(folder, "pid");
  const script = `setsid sh -c 'echo $$ >${pidFile}; exec sleep 1000' >/dev/null 2>&1 & while [ ! -s ${pidFile} ]; do sleep 0.01; done`;
  const ended = await runBounded("/bin/sh", ["-c", script], { env, stopAfterMs: 60_000, graceMs: 1000 });
  expect(ended).toEqual({ code: 0, isLate: false, left: 1 });
  expect(await isAlive(Number(readFileSync(pidFile, "utf8")))).toBe(false);
});

test("one that is late is asked to end, and killed when it does not", async () => {
  const polite = await runBounded("sleep", ["1000"], { env, stopAfterMs: 20, graceMs: 60_000 });
  expect(polite).toEqual({ code: null, isLate: true, left: 0 });
  const stubborn = await runBounded("/bin/sh", ["-c", "trap '' TERM; while :; do sleep 0.01; done"], {
    env,
    stopAfterMs: 200,
    graceMs: 20,
  });
  expect(stubborn).toMatchObject({ code: null, isLate: true });
});
