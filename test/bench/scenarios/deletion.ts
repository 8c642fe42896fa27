import type { Outcome } from "../outcome.ts";
import type { Scenario, Stage } from "../scenario.ts";
import { latencyFigures, pacedFrom, pacedNotes } from "./rates.ts";
import { deleteTopics, leaderOf, makeTopics } from "./topics.ts";

const partitions = 1000;

/** A large topic goes, and others should not notice. */
export const deletionScenarios: readonly Scenario[] = [
  {
    name: "deletion",
    what: `1,000 values of 1 KiB per second, acks=all, to a topic of 6 partitions, while a topic of ${partitions.toLocaleString("en")} partitions, 3 copies, is deleted`,
    cluster: null,
    speaks: ["kafka"],
    extent: "standard",
    needsOwnCluster: true,
    run: (stage) => deleteBeside(stage, { killsLeader: false }),
  },
  {
    name: "deletion-and-failover",
    what: "the same with a single partition, whose leader is killed right after the deletion was asked for",
    cluster: null,
    speaks: ["kafka"],
    extent: "standard",
    needsOwnCluster: true,
    run: (stage) => deleteBeside(stage, { killsLeader: true }),
  },
];

async function deleteBeside(stage: Stage, { killsLeader }: { readonly killsLeader: boolean }): Promise<Outcome> {
  const cluster = await stage.start({ brokers: 3 });
  const [large, topic] = [stage.freshTopic(), stage.freshTopic()];
  await makeTopics(cluster, [large], { partitions, copies: 3 });
  await makeTopics(cluster, [topic], { partitions: killsLeader ? 1 : 6, copies: 3 });
  const leader = await leaderOf(cluster, topic);
  const measuredSeconds = Math.max(killsLeader ? 25 : 15, stage.pace.measuredSeconds);
  const running = await pacedFrom(stage, cluster, topic, measuredSeconds);
  const startedMs = performance.now();
  const deleting = deleteTopics(cluster, [large]);
  if (killsLeader) {
    await stage.sleep(100);
    await cluster.killBroker(leader);
  }
  await deleting;
  const deletedSeconds = (performance.now() - startedMs) / 1000;
  const report = await running.report;
  return {
    figures: [
      { name: "deleted after", unit: "s", value: deletedSeconds, better: "lower" },
      { name: "without acknowledgements", unit: "ms", value: report.longestSilenceMs, better: "lower" },
      { name: "failed", unit: "records", value: report.failed, better: "lower" },
      ...latencyFigures(report),
    ],
    notes: pacedNotes(report),
  };
}
