import { constants } from "node:fs";
import { access, mkdir, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname } from "node:path";
import { CommandFailed } from "../command-failed.ts";

/** Fails with one sentence where a broker would fail later with many. */
export async function checkPortsFree(host: string, ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const error = await tryListen(host, port);
    if (error === null) continue;
    const reason =
      error.code === "EADDRINUSE" ? "is in use" : error.code === "EACCES" ? "needs privileges" : `cannot be used (${error.message})`;
    throw new CommandFailed(`port ${port} on ${host} ${reason}; choose others with --port`);
  }
}

function tryListen(host: string, port: number): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", resolve);
    server.listen({ host, port }, () => server.close(() => resolve(null)));
  });
}

/** Makes the directory where it is missing. Fails with one sentence when that, or writing into it, is not allowed. */
export async function checkWritableDirectory(path: string): Promise<void> {
  try {
    await makeDirectory(path);
    await access(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new CommandFailed(`the data directory ${path} cannot be written (${code}); choose another with --data`);
  }
}

/**
 * The directory and those above it. Not Node's `recursive`: where a parent exists and `mkdir` in it still answers ENOENT, as in /proc, that tries
 * for ever, on a thread that keeps the process from ending.
 */
async function makeDirectory(path: string): Promise<void> {
  const missing: string[] = [];
  for (let at = path; !(await isDirectory(at)); at = dirname(at)) missing.unshift(at);
  for (const each of missing) {
    await mkdir(each).catch(async (error: NodeJS.ErrnoException) => {
      // another process may have made it meanwhile
      if (error.code !== "EEXIST" || !(await isDirectory(each))) throw error;
    });
  }
}

/** False where there is nothing. Rejects where something else is in the way. */
async function isDirectory(path: string): Promise<boolean> {
  try {
    const found = await stat(path);
    if (!found.isDirectory()) throw Object.assign(new Error(`${path} is no directory`), { code: "ENOTDIR" });
    return true;
  } catch (error) {
    // the root is always there: were it not, going up from it would never end
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || dirname(path) === path) throw error;
    return false;
  }
}
