import { readFile } from "node:fs/promises";

/** A process that has ended may stay a zombie as long as its adoptive parent does not reap it. */
export async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "State:\tX");
  return !/^State:\s+[ZX]/m.test(status);
}
