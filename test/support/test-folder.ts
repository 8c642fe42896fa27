import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * With `KEEP_TEST_FOLDERS=1` in the environment the folders of tests stay, with the logs and data of their servers: to find out why one
 * failed. Not `OTTLA_…`: brokers read those.
 */
const keeps = process.env.KEEP_TEST_FOLDERS === "1";

/** A new folder in the temporary directory. */
export function makeTestFolder(name: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `ottla-${name}-`));
}

/** Removes it with its contents, unless folders are kept. */
export async function removeTestFolder(folder: string): Promise<void> {
  if (keeps) console.log(`kept: ${folder}`);
  else await rm(folder, { recursive: true, force: true });
}
