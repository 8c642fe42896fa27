import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { createServer } from "node:net";
import { nodeFileSystem } from "../../broker/disk-format.ts";
import { CommandFailed } from "../output/command-failed.ts";

/** Fails with one sentence where a broker would fail later with many lines. */
export async function checkPortsFree(host: string, ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const error = await tryListen(host, port);
    if (error === null) continue;
    const reason =
      error.code === "EADDRINUSE" ? "is in use" : error.code === "EACCES" ? "needs privileges" : `cannot be used (${error.message})`;
    throw new CommandFailed(`port ${port} on ${host} ${reason}; choose others with --port`);
  }
}

/** This one if nobody has it, else any that is free. */
export async function freePortNear(host: string, wanted: number): Promise<number> {
  return wanted <= 65_535 && (await tryListen(host, wanted)) === null ? wanted : freePort(host);
}

export function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host, port: 0 }, () => {
      const address = server.address();
      server.close(() => (address !== null && typeof address === "object" ? resolve(address.port) : reject(new Error("no free port"))));
    });
  });
}

function tryListen(host: string, port: number): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", resolve);
    server.listen({ host, port }, () => server.close(() => resolve(null)));
  });
}

/** Creates the directory where it is missing. Fails with one sentence when that, or writing into it, is not allowed. */
export async function checkWritableDirectory(path: string): Promise<void> {
  try {
    await nodeFileSystem().makeDirectory(path);
    await access(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new CommandFailed(`the data directory ${path} cannot be written (${code}); choose another with --data`);
  }
}
