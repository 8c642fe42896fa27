import type { Figure } from "../outcome.ts";
import type { UsageOfAll } from "../processes/meter.ts";
import type { Scenario, Stage } from "../scenario.ts";
import type { RunningSystem } from "../systems/system.ts";
import { withTopic } from "./topics.ts";

const mebibyte = 1024 * 1024;
const [settleMs, settleQuickMs] = [20_000, 3000];
const idleMs = 30_000;

/** The cost of an idle cluster. */
export const idleScenario: Scenario = {
  name: "idle",
  what: "three brokers with a topic of 6 partitions, 3 copies, that nobody writes to or reads",
  cluster: { brokers: 3 },
  speaks: ["kafka"],
  extent: "quick",
  needsOwnCluster: true,
  run: (stage) => withTopic(stage, { partitions: 6, copies: 3 }, async () => ({ figures: await idleFigures(stage, stage.cluster) })),
};

/**
 * What brokers use while there are no requests, by the second. They settle first: a JIT compiler and a garbage collector go on for a while
 * after a start or a load.
 */
export async function idleFigures(stage: Stage, cluster: RunningSystem): Promise<Figure[]> {
  const { isQuick, measuredSeconds } = stage.pace;
  await stage.sleep(isQuick ? settleQuickMs : settleMs);
  const meter = await stage.meter(cluster);
  await stage.sleep(isQuick ? measuredSeconds * 1000 : idleMs);
  return useFigures(await meter.usage());
}

function useFigures({ all, brokers }: UsageOfAll): Figure[] {
  return [
    { name: "cores used, coordinator too", unit: "% of a core", value: (all.cpuSeconds / all.seconds) * 100, better: "lower" },
    { name: "context switches", unit: "per second", value: all.contextSwitches / all.seconds, better: "lower" },
    { name: "brokers' memory", unit: "MiB", value: brokers.residentBytes / mebibyte, better: "lower" },
    { name: "written to disk", unit: "B/s", value: all.writtenBytes / all.seconds, better: "lower" },
  ];
}
