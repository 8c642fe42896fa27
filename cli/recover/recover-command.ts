import { resolve } from "node:path";
import { codeOf, type FileSystem } from "../../broker/disk-format.ts";
import type { Coordinator } from "../../coordinator-client/coordinator.ts";
import { type DirectoryInventory, inventoryOf } from "../offline/inventory.ts";
import { CommandFailed, explain, UsageError } from "../output/command-failed.ts";
import type { Look } from "../output/look.ts";
import type { Output } from "../output/output.ts";
import type { Progress } from "../output/progress.ts";
import { table } from "../output/table.ts";
import { formatCount } from "../output/units.ts";
import { NoPlan, planRecovery, type RecoveryPlan } from "./recovery-plan.ts";
import { occupant, writeCluster } from "./write-cluster.ts";

export interface RecoverParts {
  readonly files: FileSystem;
  readonly output: Output;
  readonly progress: (what: string, total: number | null) => Progress;
  readonly nowMs: number;
}

const inventoryBytesMax = 256 * 1024 * 1024;
const connectMs = 15_000;

/** Reads all, before anything is printed: some of them alone are of no use. */
export async function printInventories(directories: readonly string[], json: boolean, parts: RecoverParts): Promise<void> {
  const { files, output, progress } = parts;
  const bar = progress("reading", null);
  const inventories: DirectoryInventory[] = [];
  try {
    for (const directory of directories) inventories.push(await inventory(files, resolve(directory), bar));
  } finally {
    bar.end();
  }
  if (json) for (const each of inventories) await output.json(each);
  else await output.write(inventoriesAsText(inventories, output.look));
}

function inventoriesAsText(inventories: readonly DirectoryInventory[], look: Look): string {
  const rows = inventories.map(({ directory, brokerId, clusterId, controllerEpoch, notes, logs, leftAside }) => {
    return [directory, brokerId, clusterId, controllerEpoch, notes === null ? "-" : notes.topics.length, logs.length, leftAside.length];
  });
  const doubts = inventories.flatMap((each) => each.doubts).map((doubt) => `warning  ${doubt}\n`);
  return `${table(["directory", "broker", "cluster", "controller epoch", "topics noted", "logs", "left aside"], rows, look)}${doubts.join("")}`;
}

export interface RecoverOptions {
  readonly zookeeper: string;
  readonly without: ReadonlySet<number>;
  readonly execute: boolean;
  readonly json: boolean;
}

/** Shows the plan; with `execute` writes it. Rejects when the disks do not make a cluster, or the ZooKeeper is not empty. */
export async function recoverCluster(
  paths: readonly string[],
  { zookeeper, without, execute, json }: RecoverOptions,
  { files, output, progress, nowMs, open }: RecoverParts & { readonly open: () => Coordinator },
): Promise<void> {
  const bar = progress("reading", null);
  let plan: RecoveryPlan;
  try {
    const inventories: DirectoryInventory[] = [];
    for (const path of paths) inventories.push(...(await inventoriesAt(files, resolve(path), bar)));
    plan = planRecovery({ inventories, without, nowMs });
  } catch (error) {
    throw error instanceof NoPlan ? new CommandFailed(error.message) : error;
  } finally {
    bar.end();
  }
  const coordinator = open();
  try {
    await coordinator.connected(AbortSignal.timeout(connectMs)).catch((error: unknown) => {
      throw new CommandFailed(`no ZooKeeper answers at ${zookeeper} within ${connectMs / 1000} s: ${explain(error)}`);
    });
    const reason = await occupant(coordinator, plan.clusterId);
    if (reason !== null)
      throw new CommandFailed(`nothing is recovered into ${zookeeper}: ${reason}. A recovery needs an empty ZooKeeper, or chroot`);
    if (json) await output.json({ ...plan, executed: execute });
    else await output.write(planAsText(plan, output.look));
    if (!execute) {
      if (!json) await output.line("nothing is written yet: run the same command with --execute");
      return;
    }
    const writing = progress("writing", plan.topics.length);
    await writeCluster(coordinator, plan, (topics) => writing.show(topics, "")).finally(() => writing.end());
    if (!json)
      await output.line(`written to ${zookeeper}: brokers of cluster ${plan.clusterId} register there now, also those that run and wait`);
  } finally {
    await coordinator.close();
  }
}

function planAsText({ clusterId, controllerEpoch, firstProducerId, topics, warnings }: RecoveryPlan, look: Look): string {
  const rows = topics.map(({ name, id, assignment, states }) => {
    const whole = states.filter((state, partition) => state !== null && state.isr.length === assignment[partition]!.length).length;
    const empty = states.filter((state) => state === null).length;
    return [
      name,
      id,
      assignment.length,
      Math.max(0, ...assignment.map((replicas) => replicas.length)),
      whole,
      assignment.length - whole - empty,
      empty,
    ];
  });
  const heading = `cluster ${clusterId}  controller epoch ${controllerEpoch}  ${formatCount(topics.length, "topic")}  producer ids from ${firstProducerId}\n`;
  const list = topics.length === 0 ? "" : table(["topic", "id", "partitions", "copies", "all in sync", "some behind", "empty"], rows, look);
  return `${heading}${list}${warnings.map((warning) => `warning  ${warning}\n`).join("")}`;
}

/** A log directory, or a file with the inventories of others. */
async function inventoriesAt(files: FileSystem, path: string, bar: Progress): Promise<DirectoryInventory[]> {
  try {
    await files.list(path);
  } catch (error) {
    if (codeOf(error) === "ENOTDIR") return readInventories(files, path);
    throw new UsageError(`${path} cannot be read: ${explain(error)}`);
  }
  return [await inventory(files, path, bar)];
}

function inventory(files: FileSystem, directory: string, bar: Progress): Promise<DirectoryInventory> {
  let logs = 0;
  return inventoryOf(files, directory, (log) => bar.show(++logs, log));
}

async function readInventories(files: FileSystem, path: string): Promise<DirectoryInventory[]> {
  if ((await files.size(path)) > inventoryBytesMax)
    throw new UsageError(`${path} is too large to be what \`ottla cluster inventory\` prints`);
  const lines = (await files.readFile(path)).toString("utf8").split("\n");
  return lines.filter((line) => line.trim() !== "").map((line) => parsed(line, path));
}

function parsed(line: string, path: string): DirectoryInventory {
  try {
    const value = JSON.parse(line) as DirectoryInventory;
    if (typeof value.clusterId === "string" && Number.isInteger(value.brokerId) && Array.isArray(value.logs)) return value;
  } catch {
    // reported below
  }
  throw new UsageError(`${path} is neither a log directory nor what \`ottla cluster inventory\` prints`);
}
