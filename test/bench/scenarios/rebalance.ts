import { Consumer } from "../../../client/index.ts";
import { waitUntil } from "../../support/wait-until.ts";
import type { Figure, Outcome } from "../outcome.ts";
import { MeteredLoad } from "../processes/metered-load.ts";
import type { Scenario, Stage } from "../scenario.ts";
import { withTopic } from "./topics.ts";

const partitionsPerMember = 2;
const settledMaxMs = 120_000;

/** Consumers of our own in one group: how soon each has its share, and again when one leaves. */
export const groupScenarios: readonly Scenario[] = [10, 50].map((members) => ({
  name: `groups/${members}`,
  what: `${members} members of a group join at the same time, ${members * partitionsPerMember} partitions; then one leaves`,
  cluster: { brokers: 3 },
  speaks: ["kafka"],
  extent: "standard",
  curve: { name: "groups", xLabel: "members", x: members },
  run: (stage) =>
    withTopic(stage, { partitions: members * partitionsPerMember, copies: 3 }, (topic) => joinAndLeave(stage, topic, members)),
}));

/** The first group of a cluster waits for the topic of committed offsets to be created. */
async function firstGroup({ cluster }: Stage, topic: string): Promise<void> {
  await using consumer = new Consumer({ bootstrap: cluster.bootstrap, group: `${topic}-first` });
  await consumer.subscribe([topic]);
  const reading = readAll(consumer);
  await waitUntil("the first group's member with its share", () => consumer.assignment().length > 0, { timeoutMs: settledMaxMs });
  await consumer.close();
  await reading;
}

async function joinAndLeave(stage: Stage, topic: string, members: number): Promise<Outcome> {
  await firstGroup(stage, topic);
  const partitions = members * partitionsPerMember;
  const consumers = Array.from({ length: members }, () => new Consumer({ bootstrap: stage.cluster.bootstrap, group: topic }));
  const settled = (among: readonly Consumer[]) =>
    waitUntil(
      `${among.length} members with their shares`,
      () => {
        const shares = among.map((consumer) => consumer.assignment().length);
        return shares.every((share) => share > 0) && shares.reduce((sum, share) => sum + share, 0) === partitions;
      },
      { timeoutMs: settledMaxMs, pauseMs: 10 },
    );
  try {
    const metered = await MeteredLoad.on(stage);
    metered.moments.measuring?.();
    const startedMs = performance.now();
    await Promise.all(consumers.map((consumer) => consumer.subscribe([topic])));
    const reading = consumers.map(readAll);
    await settled(consumers);
    const joinedMs = performance.now();
    const [leaving, ...staying] = consumers;
    await leaving?.close();
    await settled(staying);
    const leftMs = performance.now();
    metered.moments.measured?.();
    await Promise.all(staying.map((consumer) => consumer.close()));
    await Promise.all(reading);
    return { figures: [ms("all have their shares after", joinedMs - startedMs), ms("and again after one has left", leftMs - joinedMs)] };
  } finally {
    await Promise.all(consumers.map((consumer) => consumer.close()));
  }
}

/** A member takes part as long as it is read from. It ends when it is closed. */
async function readAll(consumer: Consumer): Promise<void> {
  for await (const _ of consumer.batches());
}

function ms(name: string, value: number): Figure {
  return { name, unit: "ms", value, better: "lower" };
}
