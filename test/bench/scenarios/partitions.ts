import { fullSpeed, windowsOf } from "../load/full-speed.ts";
import type { Outcome } from "../outcome.ts";
import { MeteredLoad } from "../processes/metered-load.ts";
import type { Scenario, Stage } from "../scenario.ts";
import { idleFigures } from "./idle.ts";
import { makeTopics } from "./topics.ts";

const counts = [1, 10, 100, 1000, 10_000];

/** A cluster of its own for each, so that what deleted topics leave behind is not counted. */
export const partitionScenarios: readonly Scenario[] = counts.map((count) => ({
  name: `partitions/${count}`,
  what: `${count.toLocaleString("en")} ${count === 1 ? "partition" : "partitions"} of 3 copies: made, left alone, then values of 1 KiB at full speed to all of them`,
  cluster: null,
  speaks: ["kafka"],
  extent: count <= 1000 ? "standard" : "full",
  needsOwnCluster: true,
  curve: { name: "partitions", xLabel: "partitions", x: count },
  run: (stage) => manyPartitions(stage, count),
}));

async function manyPartitions(stage: Stage, count: number): Promise<Outcome> {
  const cluster = await stage.start({ brokers: 3 });
  const topic = stage.freshTopic();
  const startedMs = performance.now();
  await makeTopics(cluster, [topic], { partitions: count, copies: 3 });
  const madeSeconds = (performance.now() - startedMs) / 1000;
  const idle = await idleFigures(stage, cluster);
  const metered = await MeteredLoad.on(stage, cluster);
  const { discarded, measured } = windowsOf(stage.pace);
  const isLast = (windows: readonly unknown[]) => windows.length >= discarded + measured;
  const order = {
    cluster,
    topic,
    recordBytes: 1024,
    acks: "all",
    codec: "none",
    tuning: "tuned",
    isLast,
    discarded,
  } as const;
  const { records, figures, notes } = await fullSpeed(stage, order, metered.moments);
  return {
    figures: [
      { name: "made after", unit: "s", value: madeSeconds, better: "lower" },
      ...idle.map((figure) => ({ ...figure, name: `${figure.name}, idle` })),
      ...figures,
      ...(await metered.figures(records)),
    ],
    notes,
  };
}
