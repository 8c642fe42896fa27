import { execFile } from "node:child_process";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Admin, orThrow, Producer } from "../../../client/index.ts";
import { waitUntil } from "../../support/wait-until.ts";
import type { Outcome } from "../outcome.ts";
import type { Scenario, Stage } from "../scenario.ts";
import type { RunningSystem } from "../systems/system.ts";

interface Size {
  readonly partitions: number;
  readonly megabytes: number;
  readonly extent: Scenario["extent"];
}

const sizes: readonly Size[] = [
  { partitions: 20, megabytes: 20, extent: "standard" },
  { partitions: 100, megabytes: 100, extent: "full" },
];
/** Megabytes a second of every broker; null: as fast as it goes. */
const throttles = [null, 20, 50] as const;

const [from, to] = [1, 2];
const valueBytes = 100_000;
const movedMaxMs = 3_600_000;
const copy = promisify(execFile);

/** All partitions of a topic with one copy move from a broker to another; beside it, `cp -r` of the same files. */
export const moveScenarios: readonly Scenario[] = sizes.flatMap(({ partitions, megabytes, extent }) =>
  throttles.map((throttle) => ({
    name: `move/${partitions}x${megabytes}MB/${throttle === null ? "unthrottled" : `${throttle}MBps`}`,
    what: `${partitions} partitions of ${megabytes} MB move from one broker to another, ${throttle === null ? "as fast as it goes" : `throttled to ${throttle} MB/s`}`,
    cluster: null,
    speaks: ["kafka"],
    extent,
    needsOwnCluster: true,
    run: (stage) => moveAll(stage, { partitions, bytesEach: megabytes * 1e6, throttle }),
  })),
);

interface Move {
  readonly partitions: number;
  readonly bytesEach: number;
  readonly throttle: number | null;
}

async function moveAll(stage: Stage, { partitions, bytesEach, throttle }: Move): Promise<Outcome> {
  const cluster = await stage.start({ brokers: 2, settings: { "min.insync.replicas": 1 } });
  const topic = stage.freshTopic();
  await using admin = new Admin({ bootstrap: cluster.bootstrap });
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  orThrow(await admin.createTopics([{ name: topic, assignment: all.map(() => [from]) }]));
  await fill(cluster, topic, all, bytesEach);
  const copied = await plainCopy(cluster, topic);
  if (throttle !== null) await limit(admin, topic, throttle * 1e6);
  const startedMs = performance.now();
  orThrow(await admin.alterPartitionReassignments(all.map((partition) => ({ topic, partition, replicas: [to] }))));
  const isOver = async () => (await admin.listPartitionReassignments()).length === 0;
  await waitUntil("the moves", isOver, { timeoutMs: movedMaxMs, pauseMs: 50 });
  const seconds = (performance.now() - startedMs) / 1000;
  const moved = (partitions * bytesEach) / 1e6 / seconds;
  const against = throttle === null ? { name: "of a plain copy", of: copied } : { name: "of the rate", of: throttle };
  return {
    figures: [
      { name: "moved", unit: "MB/s", value: moved, better: "higher" },
      { name: against.name, unit: "%", value: (moved / against.of) * 100, better: "higher" },
      { name: "plain copy", unit: "MB/s", value: copied, better: "higher" },
      { name: "took", unit: "s", value: seconds, better: "lower" },
    ],
  };
}

async function fill({ bootstrap }: RunningSystem, topic: string, all: readonly number[], bytesEach: number): Promise<void> {
  await using producer = new Producer({ bootstrap });
  const value = Buffer.alloc(valueBytes, "x");
  for (let sent = 0; sent < bytesEach; sent += valueBytes)
    await Promise.all(all.map((partition) => producer.send({ topic, partition, value })));
}

/** Megabytes a second of `cp`, on the same disk. */
async function plainCopy({ dataDirectories }: RunningSystem, topic: string): Promise<number> {
  const [source = "", target = ""] = [dataDirectories[from - 1], `${dataDirectories[to - 1]}-plain-copy`];
  const folders = (await readdir(source)).filter((name) => name.startsWith(`${topic}-`)).map((name) => join(source, name));
  const files = await Promise.all(folders.map((folder) => stat(join(folder, `${"0".repeat(20)}.log`))));
  await mkdir(target);
  try {
    const startedMs = performance.now();
    await copy("cp", ["-r", ...folders, target]);
    const seconds = (performance.now() - startedMs) / 1000;
    return files.reduce((sum, { size }) => sum + size, 0) / 1e6 / seconds;
  } finally {
    await rm(target, { recursive: true });
  }
}

/** As Kafka's tool does it. */
async function limit(admin: Admin, topic: string, bytesPerSecond: number): Promise<void> {
  const set = (name: string, value: string) => ({ name, operation: "set", value }) as const;
  const sides = ["leader", "follower"];
  const rates = sides.map((side) => set(`${side}.replication.throttled.rate`, `${bytesPerSecond}`));
  const lists = sides.map((side) => set(`${side}.replication.throttled.replicas`, "*"));
  orThrow(
    await admin.incrementalAlterConfigs([
      { resource: { topic }, changes: lists },
      ...[from, to].map((broker) => ({ resource: { broker }, changes: rates })),
    ]),
  );
}
