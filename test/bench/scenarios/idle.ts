import type { UsageOfAll } from "../processes/meter.ts";
import type { Figure, Scenario } from "../scenario.ts";
import { withTopic } from "./topics.ts";

const mebibyte = 1024 * 1024;
const settleMs = 3000;

/** What it costs to be there. */
export const idleScenario: Scenario = {
  name: "idle",
  what: "three brokers with a topic of 6 partitions, 3 copies, that nobody writes to or reads",
  cluster: { brokers: 3 },
  speaks: ["kafka"],
  extent: "quick",
  needsOwnCluster: true,
  run: (stage) =>
    withTopic(stage, { partitions: 6, copies: 3 }, async () => {
      await stage.sleep(settleMs);
      const meter = await stage.meter();
      await stage.sleep(stage.pace.measuredSeconds * 1000);
      return { figures: useFigures(await meter.usage()) };
    }),
};

/** By the second. */
export function useFigures({ all, brokers }: UsageOfAll): Figure[] {
  return [
    { name: "cores used, coordinator too", unit: "% of a core", value: (all.cpuSeconds / all.seconds) * 100, better: "lower" },
    { name: "context switches", unit: "per second", value: all.contextSwitches / all.seconds, better: "lower" },
    { name: "brokers' memory", unit: "MiB", value: brokers.residentBytes / mebibyte, better: "lower" },
    { name: "written to disk", unit: "B/s", value: all.writtenBytes / all.seconds, better: "lower" },
  ];
}
