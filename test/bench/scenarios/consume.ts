import { spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { tunedProducer } from "../load/full-speed.ts";
import type { ConsumedTotal } from "../load/performance-lines.ts";
import type { Figure, Outcome } from "../outcome.ts";
import { MeteredLoad } from "../processes/metered-load.ts";
import type { Scenario, Stage } from "../scenario.ts";
import type { RunningSystem } from "../systems/system.ts";
import { withTopic } from "./topics.ts";

const recordBytes = 1024;

/** Where the records are that are read. */
type From = "memory" | "disk" | "live";

const what: Readonly<Record<From, string>> = {
  memory: "just written, read from the beginning: brokers and kernel still have it in memory",
  disk: "read from the beginning after the kernel has forgotten the files",
  live: "read while it is written, as fast as it is",
};

/** Kafka's ConsumerPerformance in a group of its own. */
export const consumeScenarios: readonly Scenario[] = (["memory", "disk", "live"] as const).map((from) => ({
  name: `consume/${from}`,
  what: `values of 1 KiB, 3 copies, ${what[from]}, by Kafka's ConsumerPerformance`,
  cluster: { brokers: 3 },
  speaks: ["kafka"],
  extent: "standard",
  needsOwnCluster: from === "disk",
  run: (stage) => withTopic(stage, { partitions: 6, copies: 3 }, (topic) => consume(stage, topic, from)),
}));

/** More than a broker keeps in memory of its own, where it is to come from the disk. */
function recordsOf({ pace }: Stage, from: From): number {
  if (pace.isQuick) return 50_000;
  return from === "disk" ? 2_000_000 : 500_000;
}

async function consume(stage: Stage, topic: string, from: From): Promise<Outcome> {
  const { cluster, loads } = stage;
  const records = recordsOf(stage, from);
  const bootstrap = cluster.bootstrap;
  const fill = () => loads.fill({ bootstrap, topic, recordBytes, settings: { acks: "all", ...tunedProducer } }, records);
  const read = () => loads.consumerPerformance({ bootstrap, topic, records, groupId: topic });
  const metered = await MeteredLoad.on(stage);
  if (from !== "live") await fill();
  const notes = from === "disk" ? await forgetFiles(cluster) : [];
  metered.moments.measuring?.();
  const [total] = await Promise.all([read(), from === "live" ? fill() : null]);
  metered.moments.measured?.();
  return { figures: [...readFigures(total), ...(await metered.figures(total.records))], series: metered.series(), notes };
}

function readFigures({ recordsPerSecond, mebibytesPerSecond }: ConsumedTotal): Figure[] {
  return [
    { name: "consumed", unit: "records/s", value: recordsPerSecond, better: "higher" },
    { name: "consumed bytes", unit: "MiB/s", value: mebibytesPerSecond, better: "higher" },
  ];
}

/** Writes all that is to be written, and has the kernel drop what it keeps of the logs. Answers what to know of it. */
async function forgetFiles({ dataDirectories }: RunningSystem): Promise<string[]> {
  spawnSync("sync");
  for (const directory of dataDirectories) {
    for (const name of await readdir(directory, { recursive: true })) {
      if (!name.endsWith(".log")) continue;
      const { status } = spawnSync("dd", [`if=${join(directory, name)}`, "iflag=nocache", "count=0", "status=none"]);
      if (status !== 0) return ["the kernel could not be made to forget the files: they came from its memory"];
    }
  }
  return [];
}
