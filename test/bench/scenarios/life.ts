import type { Figure, Outcome } from "../outcome.ts";
import type { Scenario, Stage } from "../scenario.ts";
import { latencyFigures, pacedFrom, pacedNotes } from "./rates.ts";
import { allInSync, deleteTopics, leaderOf, makeTopics } from "./topics.ts";

const topicCount = 50;

/** A leader is killed while records come at a constant rate. */
const failover: Scenario = {
  name: "failover",
  what: "1,000 values of 1 KiB per second, acks=all, to a partition whose leader is killed after a while and started again later",
  cluster: null,
  speaks: ["kafka"],
  extent: "standard",
  needsOwnCluster: true,
  run: killLeader,
};

const startStop: Scenario = {
  name: "start-stop",
  what: "a new cluster of three brokers with its coordinator: until all serve, and until all have stopped",
  cluster: null,
  speaks: ["kafka"],
  extent: "standard",
  needsOwnCluster: true,
  run: startAndStop,
};

const topics: Scenario = {
  name: "topics",
  what: `${topicCount} topics of 6 partitions, 3 copies: until all copies are in sync, and until all are gone again`,
  cluster: { brokers: 3 },
  speaks: ["kafka"],
  extent: "standard",
  run: makeAndDelete,
};

export const lifeScenarios: readonly Scenario[] = [failover, startStop, topics];

async function killLeader(stage: Stage): Promise<Outcome> {
  const cluster = await stage.start({ brokers: 3 });
  const topic = stage.freshTopic();
  const shape = { partitions: 1, copies: 3 };
  await makeTopics(cluster, [topic], shape);
  const leader = await leaderOf(cluster, topic);
  const measuredSeconds = Math.max(20, stage.pace.measuredSeconds);
  const running = await pacedFrom(stage, cluster, topic, measuredSeconds);
  await stage.sleep((measuredSeconds * 1000) / 5);
  await cluster.killBroker(leader);
  const report = await running.report;
  const restartedMs = performance.now();
  await cluster.restartBroker(leader);
  await allInSync(cluster, [topic], shape);
  return {
    figures: [
      { name: "without acknowledgements", unit: "ms", value: report.longestSilenceMs, better: "lower" },
      { name: "in sync again after the restart", unit: "s", value: (performance.now() - restartedMs) / 1000, better: "lower" },
      { name: "failed", unit: "records", value: report.failed, better: "lower" },
      ...latencyFigures(report),
    ],
    notes: pacedNotes(report),
  };
}

async function startAndStop(stage: Stage): Promise<Outcome> {
  const startedMs = performance.now();
  const cluster = await stage.start({ brokers: 3 });
  const servingMs = performance.now();
  await cluster.stop();
  const stoppedMs = performance.now();
  return {
    figures: [seconds("serving after", servingMs - startedMs), seconds("stopped after", stoppedMs - servingMs)],
  };
}

async function makeAndDelete(stage: Stage): Promise<Outcome> {
  const names = Array.from({ length: topicCount }, () => stage.freshTopic());
  const startedMs = performance.now();
  await makeTopics(stage.cluster, names, { partitions: 6, copies: 3 });
  const madeMs = performance.now();
  await deleteTopics(stage.cluster, names);
  return { figures: [seconds("made after", madeMs - startedMs), seconds("deleted after", performance.now() - madeMs)] };
}

function seconds(name: string, ms: number): Figure {
  return { name, unit: "s", value: ms / 1000, better: "lower" };
}
