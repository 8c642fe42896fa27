import { setTimeout as sleep } from "node:timers/promises";
import { type FaultKind, type Ongoing, othersGoOnMs, type Plan, type Stage, soon } from "./fault.ts";
import { startAgain } from "./processes.ts";

const atWorkMs = 3_000;

/**
 * A fourth broker joins, and stays for the rest of the run: topics on the side get replicas on it, and every later fault may hit it. Once
 * it has some, it is killed, and comes back to topics that were changed or deleted meanwhile. In later rounds it has joined already.
 */
async function brokerAdded(stage: Stage, { picks }: Plan): Promise<Ongoing> {
  const added = stage.cluster.addBroker() ?? stage.cluster.brokers.at(-1);
  if (added === undefined) throw new Error("there is no broker");
  await startAgain(added);
  if (!(await stage.takesPart(added))) throw new Error(`${added.name} has joined, and is given no replicas`);
  await sleep(picks[1] * atWorkMs);
  await added.kill();
  return { targets: [added.name], end: () => startAgain(added) };
}

export const growthFaults: readonly FaultKind[] = [
  {
    name: "broker-added",
    what: "a fourth broker joins, has replicas, is killed, and comes back",
    isAlone: true,
    durationMs: [1_000, 8_000],
    silenceMaxMs: othersGoOnMs,
    boundMs: soon,
    begin: brokerAdded,
  },
];
