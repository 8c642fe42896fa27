import { Admin, orThrow } from "../../../client/index.ts";
import { longestGap, percentile, spread } from "../../chaos/failover/gaps.ts";
import { RawProbe } from "../../chaos/failover/raw-probe.ts";
import type { Figure, Outcome } from "../outcome.ts";
import type { Scenario, Stage } from "../scenario.ts";
import type { RunningSystem } from "../systems/system.ts";
import { allInSync, makeTopics } from "./topics.ts";

const brokers = 3;
const shape = { partitions: 1_000, copies: 3 };
/** Of those that the broker leads. */
const probed = 12;
const everyMs = 10;
const steadyMs = 1_500;
const pauseMaxMs = 500;
const servedAgainMaxMs = 120_000;
const faultsInRound = 5;

interface Fault {
  readonly name: string;
  readonly what: string;
  begin(cluster: RunningSystem, broker: number): Promise<void>;
  /** The broker runs again; its replicas may not be in sync yet. */
  end(cluster: RunningSystem, broker: number): Promise<void>;
}

const faults: readonly Fault[] = [
  {
    name: "kill",
    what: "SIGKILL of the broker that leads most",
    begin: (cluster, broker) => cluster.killBroker(broker),
    end: (cluster, broker) => cluster.restartBroker(broker),
  },
  {
    name: "stop",
    what: "SIGSTOP of the broker that leads most",
    begin: async (cluster, broker) => void process.kill(pidOf(cluster, broker), "SIGSTOP"),
    end: async (cluster, broker) => void process.kill(pidOf(cluster, broker), "SIGCONT"),
  },
];

/** With the session timeouts that each system ships with, and without a client between the measure and the brokers. */
export const failoverManyScenarios: readonly Scenario[] = faults.map((fault) => ({
  name: `failover-many/${fault.name}`,
  what: `${fault.what}, ${shape.partitions} partitions, sessions as shipped: until partitions that it led are acknowledged again (acks=all)`,
  cluster: null,
  speaks: ["kafka"],
  extent: "full",
  needsOwnCluster: true,
  run: (stage) => faultAfterFault(stage, fault),
}));

async function faultAfterFault(stage: Stage, fault: Fault): Promise<Outcome> {
  const cluster = await stage.start({ brokers, isSessionAsShipped: true, settings: { "auto.leader.rebalance.enable": "false" } });
  const topic = stage.freshTopic();
  await makeTopics(cluster, [topic], shape);
  const count = stage.pace.isQuick ? 1 : faultsInRound;
  const silences: number[][] = [];
  for (let at = 0; at < count; at++) {
    silences.push(await silencesOfOne(stage, cluster, topic, fault));
    await allInSync(cluster, [topic], shape);
  }
  const worst = silences.map((ofOne) => Math.max(...ofOne));
  return {
    figures: [
      milliseconds("without acknowledgements, p50 of partitions", percentile(silences.flat(), 0.5)),
      milliseconds("without acknowledgements, p50 of the worst partitions", percentile(worst, 0.5)),
      milliseconds("without acknowledgements, worst", Math.max(...worst)),
    ],
    notes: [`worst of each fault, ms: ${worst.map((ms) => ms.toFixed(0)).join(", ")}`],
  };
}

/** Of each probed partition, in milliseconds. The broker runs again when this resolves. */
async function silencesOfOne(stage: Stage, cluster: RunningSystem, topic: string, fault: Fault): Promise<number[]> {
  const { broker, led } = await busiest(cluster, topic);
  const partitions = spread(led, probed);
  const probe = new RawProbe({ bootstrap: cluster.bootstrap, topic, partitions, everyMs });
  const steady = async () => {
    const options = { forMs: steadyMs, pauseMaxMs, withinMs: servedAgainMaxMs, pause: (ms: number) => stage.sleep(ms) };
    if (!(await probe.acknowledged.becomesSteady(options)))
      throw new Error(`partitions of broker ${broker} are not served within ${servedAgainMaxMs} ms`);
  };
  try {
    await steady();
    const faultMs = performance.now();
    await fault.begin(cluster, broker);
    await stage.sleep(2 * steadyMs);
    await steady();
    const endMs = performance.now();
    return partitions.map((partition) => longestGap(probe.acknowledged.of(partition), faultMs, endMs) ?? servedAgainMaxMs);
  } finally {
    await probe.stop();
    await fault.end(cluster, broker);
  }
}

/** The broker that leads most of the topic, and which partitions. */
async function busiest(cluster: RunningSystem, topic: string): Promise<{ readonly broker: number; readonly led: readonly number[] }> {
  await using admin = new Admin({ bootstrap: cluster.bootstrap });
  const partitions = orThrow(await admin.describeTopics([topic]))[0]?.partitions ?? [];
  const byLeader = [...Map.groupBy(partitions, ({ leader }) => leader)].toSorted(([, a], [, b]) => b.length - a.length);
  const [broker, led] = byLeader[0] ?? [];
  if (broker === undefined || led === undefined || broker < 0) throw new Error(`nobody leads ${topic}`);
  return { broker, led: led.map(({ partition }) => partition) };
}

function pidOf(cluster: RunningSystem, broker: number): number {
  const found = cluster.processes.find(({ name }) => name === `broker ${broker}`);
  if (found === undefined) throw new Error(`no process of broker ${broker}`);
  return found.pid;
}

function milliseconds(name: string, value: number): Figure {
  return { name, unit: "ms", value, better: "lower" };
}
