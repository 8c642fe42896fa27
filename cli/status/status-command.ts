import { CommandFailed } from "../output/command-failed.ts";
import type { Output } from "../output/output.ts";
import { type Cell, table } from "../output/table.ts";
import { formatAge, formatCount } from "../output/units.ts";
import { findCluster } from "../up/find-cluster.ts";
import { type ClusterStatus, isHealthy, type ServerStatus, statusOf } from "./cluster-status.ts";

export interface StatusOptions {
  /** Absolute. */
  readonly folder: string;
  readonly json: boolean;
  readonly nowMs: number;
}

/** Prints what runs in a folder. True: a cluster, and it is healthy. */
export async function showStatus({ folder, json, nowMs }: StatusOptions, output: Output, stop: AbortSignal): Promise<boolean> {
  const cluster = await findCluster(folder);
  if (cluster === null) {
    if (json) await output.json({ data: folder, running: false, healthy: false });
    else throw new CommandFailed(`no cluster runs in ${folder}; start one with \`ottla up --data ${folder}\``);
    return false;
  }
  const status = await statusOf(cluster, stop);
  const healthy = isHealthy(status);
  const { owner, startedAtMs } = cluster;
  if (json) {
    const { zookeeper, brokers, health } = status;
    await output.json({ data: folder, running: true, healthy, pid: owner.pid, startedAtMs, zookeeper, brokers, ...health });
    return healthy;
  }
  await output.line(
    `cluster in ${folder}  pid ${owner.pid}  up for ${formatAge(nowMs - startedAtMs)}  ${healthy ? "healthy" : "NOT healthy"}`,
  );
  const head = ["server", "address", "pid", "since", "for", "state"];
  await output.write(table(head, rowsOf(status, nowMs), output.look, { mayBeLeftOut: ["since", "pid", "for"] }));
  await output.line(summary(status));
  return healthy;
}

function rowsOf({ zookeeper, brokers }: ClusterStatus, nowMs: number): Cell[][] {
  const row = (name: string, { address, pid, sinceMs, trouble }: ServerStatus): Cell[] => {
    const since = sinceMs === null ? "-" : new Date(sinceMs).toISOString().replace(/\.\d+Z$/, "Z");
    return [
      name,
      { text: address, neverCut: true },
      pid ?? "-",
      { text: since, neverCut: true },
      sinceMs === null ? "-" : formatAge(nowMs - sinceMs),
      trouble ?? "serves",
    ];
  };
  return [...(zookeeper === null ? [] : [row("zookeeper", zookeeper)]), ...brokers.map((broker) => row(`broker ${broker.id}`, broker))];
}

function summary({ brokers, health }: ClusterStatus): string {
  if (brokers.length === 0) return "no broker was started yet";
  if (health === null) return "no broker says how the partitions are";
  const { topics, partitions, underReplicated, offline } = health;
  return `${formatCount(topics, "topic")}  ${formatCount(partitions, "partition")}  ${underReplicated} under-replicated  ${offline} offline`;
}
