import { existsSync } from "node:fs";
import { join } from "node:path";
import { nodeFileSystem } from "../../broker/disk-format.ts";
import { CommandFailed } from "../output/command-failed.ts";
import { isRunning } from "./process-identity.ts";
import { type RunningCluster, readRunningCluster } from "./running-cluster.ts";

export const lockName = ".lock";

/** The cluster that an `ottla up` runs in this folder; null: none runs. Fails where that is known and nothing else is. */
export async function findCluster(folder: string): Promise<RunningCluster | null> {
  if (!existsSync(folder)) throw new CommandFailed(`there is no folder ${folder}; name the one of \`ottla up\` with --data`);
  const cluster = readRunningCluster(folder);
  const runs = cluster === null ? null : isRunning(cluster.owner);
  if (runs === true) return cluster;
  // a new `up` that finds the folder locked for these microseconds says that it is in use: only asked where nothing else is known
  if (runs === false || !(await isLocked(folder))) return null;
  throw new CommandFailed(
    cluster === null
      ? `an \`ottla up\` runs in ${folder}, and has not said who it is: it is just starting, or of an older version`
      : `the cluster in ${folder} belongs to process ${cluster.owner.pid} of ${cluster.owner.machine}, another machine or container: ask there`,
  );
}

async function isLocked(folder: string): Promise<boolean> {
  const path = join(folder, lockName);
  if (!existsSync(path)) return false;
  const files = nodeFileSystem();
  if (!(await files.lock(path))) return true;
  await files.unlock(path);
  return false;
}
