import type { Outcome } from "../outcome.ts";
import { MeteredLoad } from "../processes/metered-load.ts";
import type { Scenario, Stage } from "../scenario.ts";
import { withTopic } from "./topics.ts";

const recordBytes = 1024;
const shapes = [
  { recordsEach: 1, partitions: 1 },
  { recordsEach: 6, partitions: 6 },
  { recordsEach: 100, partitions: 1 },
  { recordsEach: 100, partitions: 6 },
] as const;

const committing: readonly Scenario[] = shapes.map(({ recordsEach, partitions }) => ({
  name: `transactions/${recordsEach}-in-${partitions}`,
  what: `transactions of ${recordsEach} values of 1 KiB in ${partitions} partitions, 3 copies, one after the other, by one producer of our client`,
  cluster: { brokers: 3 },
  speaks: ["kafka"],
  extent: "standard",
  run: (stage) => withTopic(stage, { partitions, copies: 3 }, (topic) => commit(stage, topic, { recordsEach, partitions })),
}));

/** How long the topic that is read was written to. */
const writtenSeconds = 20;

const reading: Scenario = {
  name: "transactions/read",
  what: "a topic of transactions of 100 values, one in ten aborted, read from the beginning by our client: what is committed, against all of it",
  cluster: { brokers: 3 },
  speaks: ["kafka"],
  extent: "standard",
  run: (stage) => withTopic(stage, { partitions: 6, copies: 3 }, (topic) => readBoth(stage, topic)),
};

export const transactionScenarios: readonly Scenario[] = [...committing, reading];

async function commit(
  { cluster, loads, pace, ...stage }: Stage,
  topic: string,
  shape: { readonly recordsEach: number; readonly partitions: number },
): Promise<Outcome> {
  const metered = await MeteredLoad.on({ cluster, loads, pace, ...stage });
  const order = { kind: "transactions", bootstrap: cluster.bootstrap, topic, recordBytes, abortedEach: 0, ...shape, ...pace } as const;
  const { committed, failed, perSecond, latency } = await loads.transactions(order, metered.moments);
  return {
    figures: [
      { name: "committed", unit: "transactions/s", value: perSecond, better: "higher" },
      { name: "a transaction, p50", unit: "ms", value: latency.p50, better: "lower" },
      { name: "a transaction, p99", unit: "ms", value: latency.p99, better: "lower" },
      ...(await metered.figures(committed * shape.recordsEach)),
    ],
    notes: failed > 0 ? [`${failed} transactions failed`] : [],
  };
}

async function readBoth({ cluster, loads, pace }: Stage, topic: string): Promise<Outcome> {
  const { bootstrap } = cluster;
  const written = {
    recordsEach: 100,
    partitions: 6,
    abortedEach: 10,
    discardedSeconds: 0,
    measuredSeconds: pace.isQuick ? 3 : writtenSeconds,
  };
  await loads.transactions({ kind: "transactions", bootstrap, topic, recordBytes, ...written });
  const rates: Record<"read_committed" | "read_uncommitted", number[]> = { read_committed: [], read_uncommitted: [] };
  for (let round = 0; round < 3; round++)
    for (const isolation of ["read_uncommitted", "read_committed"] as const)
      rates[isolation].push((await loads.read({ kind: "read", bootstrap, topic, isolation })).recordsPerSecond);
  const [all, committed] = [Math.max(...rates.read_uncommitted), Math.max(...rates.read_committed)];
  return {
    figures: [
      { name: "read, all", unit: "records/s", value: all, better: "higher" },
      { name: "read, committed", unit: "records/s", value: committed, better: "higher" },
      { name: "committed against all", unit: "%", value: (committed / all) * 100, better: "higher" },
    ],
  };
}
