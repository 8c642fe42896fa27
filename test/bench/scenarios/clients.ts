import { join } from "node:path";
import { makeTestFolder, removeTestFolder } from "../../support/test-folder.ts";
import type { Outcome } from "../outcome.ts";
import { MeteredLoad } from "../processes/metered-load.ts";
import type { Scenario, Stage } from "../scenario.ts";
import { withTopic } from "./topics.ts";

const producerCounts = [1, 10, 100];
const topicShape = { partitions: 6, copies: 3 };
const recordBytes = 1024;

/** Our producers, all in one process: what more connections and smaller batches cost. */
const producerScenarios: readonly Scenario[] = producerCounts.map((count) => ({
  name: `producers/${count}`,
  what: `${count} of our producers in one process, values of 1 KiB at full speed, acks=all, 3 copies`,
  cluster: { brokers: 3 },
  speaks: ["kafka"],
  extent: "standard",
  curve: { name: "producers", xLabel: "producers", x: count },
  run: (stage) => withTopic(stage, topicShape, (topic) => byOurs(stage, topic, count)),
}));

const kcatScenario: Scenario = {
  name: "kcat",
  what: "kcat (librdkafka) writes values of 1 KiB, acks=all, 3 copies, and reads them back; its own start is in it",
  cluster: { brokers: 3 },
  speaks: ["kafka"],
  extent: "standard",
  run: (stage) => withTopic(stage, topicShape, (topic) => byKcat(stage, topic)),
};

export const clientScenarios: readonly Scenario[] = [...producerScenarios, kcatScenario];

async function byOurs(stage: Stage, topic: string, producers: number): Promise<Outcome> {
  const metered = await MeteredLoad.on(stage);
  const order = {
    kind: "full",
    bootstrap: stage.cluster.bootstrap,
    topic,
    recordBytes,
    acks: -1,
    codec: "none",
    lingerMs: 5,
    producers,
  } as const;
  const { records, recordsPerSecond, failed } = await stage.loads.full({ ...order, ...stage.pace }, metered.moments);
  return {
    figures: [{ name: "produced", unit: "records/s", value: recordsPerSecond, better: "higher" }, ...(await metered.figures(records))],
    notes: failed > 0 ? [`${failed} records failed`] : [],
  };
}

async function byKcat(stage: Stage, topic: string): Promise<Outcome> {
  if (stage.loads.missingKcat !== null) return { figures: [], notes: [`left out: ${stage.loads.missingKcat}`] };
  const order = { bootstrap: stage.cluster.bootstrap, topic, records: stage.pace.isQuick ? 20_000 : 500_000, recordBytes };
  const folder = await makeTestFolder("bench-kcat");
  try {
    const wrote = await stage.loads.kcatProduce(order, join(folder, "lines"));
    const read = await stage.loads.kcatConsume(order);
    return {
      figures: [
        { name: "produced", unit: "records/s", value: order.records / wrote, better: "higher" },
        { name: "consumed", unit: "records/s", value: order.records / read, better: "higher" },
      ],
    };
  } finally {
    await removeTestFolder(folder);
  }
}
