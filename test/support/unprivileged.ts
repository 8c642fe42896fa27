import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

const nobody = 65_534;

/** Root may do everything with every file: as root, the script runs as a user of no rights. */
const user = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};

/** The address of a module of the project, named from its root, as a script imports it. */
export function moduleAddress(path: string): string {
  return JSON.stringify(new URL(`../../${path}`, import.meta.url).href);
}

/** What the script, an ES module, prints when an ordinary user runs it. */
export async function runUnprivileged(script: string): Promise<string> {
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { ...user, cwd: "/", env: {} });
  return stdout.trim();
}

/** Why an ordinary user cannot run the project's files here, or null: a checkout in root's home is closed to others. */
export async function whyNotUnprivileged(): Promise<string | null> {
  if (process.platform === "win32") return "there are no POSIX users";
  const root = fileURLToPath(new URL("../..", import.meta.url));
  try {
    await runUnprivileged(`await import(${moduleAddress("broker/data-directories.ts")})`);
    return null;
  } catch (error) {
    return `another user cannot run the files in ${root}: ${(error as Error).message.split("\n", 1)[0]}`;
  }
}
