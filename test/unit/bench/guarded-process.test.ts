import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { GuardedProcess } from "../../bench/processes/guarded-process.ts";
import { isAlive } from "../../support/is-alive.ts";

const source = fileURLToPath(new URL("../../bench/processes/guarded-process.ts", import.meta.url));

test("a guarded program ends when who started it is killed", async () => {
  const script = `import { GuardedProcess } from ${JSON.stringify(source)}; console.log(new GuardedProcess("sleep", ["1000"]).pid);`;
  const starter = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const [printed] = (await once(starter.stdout, "data")) as [Buffer];
  const pid = Number(printed);
  expect(await isAlive(pid)).toBe(true);
  starter.kill("SIGKILL");
  await expect.poll(() => isAlive(pid)).toBe(false);
});

test("its lines come one by one, and its number is the program's own", async () => {
  const lines: string[] = [];
  const program = new GuardedProcess("/bin/sh", ["-c", "echo $$; echo b; exit 3"], { onLine: (line) => lines.push(line) });
  expect(await program.ended).toEqual({ code: 3, signal: null });
  expect(lines).toEqual([`${program.pid}`, "b"]);
  await expect(program.succeeded()).rejects.toThrow(/exit code 3/);
});

test("who does not end when asked is killed", async () => {
  const program = new GuardedProcess("/bin/sh", ["-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"]);
  await expect.poll(() => program.words).toBe("ready");
  await program.stop(100);
  expect((await program.ended).signal).toBe("SIGKILL");
});
