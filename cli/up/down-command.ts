import { setTimeout as sleep } from "node:timers/promises";
import { CommandFailed, explain } from "../output/command-failed.ts";
import type { Output } from "../output/output.ts";
import { formatCount, formatSeconds } from "../output/units.ts";
import { findCluster } from "./find-cluster.ts";
import { isRunning } from "./process-identity.ts";
import type { RunningCluster } from "./running-cluster.ts";

export interface DownOptions {
  /** Absolute. */
  readonly folder: string;
  /** How long to wait for the end. Milliseconds. */
  readonly timeoutMs: number;
  readonly json: boolean;
}

const checkMs = 50;
/** Who waits should know for what. */
const tellEveryMs = 5000;

/** Asks the `ottla up` of a folder to stop, and waits until it has. That none runs is what was asked for. */
export async function down({ folder, timeoutMs, json }: DownOptions, output: Output, tell: (line: string) => void): Promise<void> {
  const cluster = await findCluster(folder);
  if (cluster === null) {
    await (json ? output.json({ data: folder, stopped: false }) : output.line(`no cluster runs in ${folder}`));
    return;
  }
  const { pid } = cluster.owner;
  if (!json) await output.line(`stopping ${partsOf(cluster)} in ${folder} (\`ottla up\` is process ${pid})`);
  const startedMs = performance.now();
  askToStop(pid, folder);
  for (let toldMs = startedMs; isRunning(cluster.owner) !== false; ) {
    const nowMs = performance.now();
    if (nowMs - startedMs > timeoutMs)
      throw new CommandFailed(
        `${waitedFor(cluster)} after ${timeoutMs / 1000} s, and goes on stopping; wait longer with --timeout, or end it by force with: kill -9 ${pid}`,
      );
    if (nowMs - toldMs > tellEveryMs) {
      tell(waitedFor(cluster));
      toldMs = nowMs;
    }
    await sleep(checkMs);
  }
  const ms = performance.now() - startedMs;
  if (json) await output.json({ data: folder, stopped: true, pid, seconds: ms / 1000 });
  else await output.line(`stopped after ${formatSeconds(ms)}; the data stays in ${folder}`);
}

function askToStop(pid: number, folder: string): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ESRCH") return; // it has ended meanwhile
    const why = code === "EPERM" ? "it belongs to another user" : explain(error);
    throw new CommandFailed(`process ${pid}, which runs the cluster in ${folder}, cannot be told to stop: ${why}`);
  }
}

function partsOf({ brokers, zookeeper }: RunningCluster): string {
  return `${formatCount(brokers.length, "broker")}${zookeeper?.pid == null ? "" : " and ZooKeeper"}`;
}

function waitedFor({ brokers, owner }: RunningCluster): string {
  const left = brokers.filter((broker) => isRunning(broker) !== false).map(({ id }) => id);
  return left.length === 0
    ? `process ${owner.pid} has not ended`
    : `broker${left.length === 1 ? "" : "s"} ${left.join(", ")} ${left.length === 1 ? "has" : "have"} not ended`;
}
