import { Admin, orThrow } from "../../../client/index.ts";
import { waitUntil } from "../../support/wait-until.ts";
import type { Stage } from "../scenario.ts";
import type { RunningSystem } from "../systems/system.ts";

export interface TopicShape {
  readonly partitions: number;
  readonly copies: number;
  /** Settings of the topic, by Kafka's names. */
  readonly settings?: Readonly<Record<string, string>>;
}

const readyMaxMs = 300_000;
const tidyMaxMs = 30_000;
/** Partitions that one request asks for. */
const partitionsPerRequest = 1000;

/** Makes the topics and waits until each partition has a leader and all its copies in sync. */
export async function makeTopics(cluster: RunningSystem, names: readonly string[], shape: TopicShape): Promise<void> {
  const { partitions, copies, settings } = shape;
  await using admin = new Admin({ bootstrap: cluster.bootstrap });
  const configs = { "min.insync.replicas": `${Math.min(2, copies)}`, ...settings };
  const perRequest = Math.max(1, Math.floor(partitionsPerRequest / partitions));
  for (let at = 0; at < names.length; at += perRequest) {
    const some = names.slice(at, at + perRequest).map((name) => ({ name, partitions, replicationFactor: copies, configs }));
    // where that takes longer than the answer may, it goes on
    orThrow((await admin.createTopics(some)).filter(({ error }) => error?.code !== "REQUEST_TIMED_OUT"));
  }
  await allInSync(cluster, names, shape);
}

export async function allInSync(cluster: RunningSystem, names: readonly string[], { partitions, copies }: TopicShape): Promise<void> {
  await using admin = new Admin({ bootstrap: cluster.bootstrap });
  const isReady = async () => {
    const topics = orThrow(await admin.describeTopics(names));
    return topics.every(
      (topic) =>
        topic.partitions.length === partitions && topic.partitions.every(({ leader, isr }) => leader >= 0 && isr.length === copies),
    );
  };
  await waitUntil(`leaders and ${copies} copies of ${names.length} topics`, isReady, {
    timeoutMs: readyMaxMs,
    pauseMs: pauseOf(names.length * partitions),
  });
}

/** Between two questions: asking costs the brokers too, the more the longer the answer. Milliseconds. */
function pauseOf(partitions: number): number {
  return Math.min(1000, 20 + partitions / 10);
}

export async function deleteTopics(cluster: RunningSystem, names: readonly string[], timeoutMs = readyMaxMs): Promise<void> {
  await using admin = new Admin({ bootstrap: cluster.bootstrap });
  orThrow(await admin.deleteTopics(names));
  const isGone = async () => !(await admin.listTopics()).some(({ name }) => names.includes(name));
  await waitUntil(`${names.length} topics to go`, isGone, { timeoutMs, pauseMs: 20 });
}

/** Of the topic's first partition. */
export async function leaderOf(cluster: RunningSystem, topic: string): Promise<number> {
  await using admin = new Admin({ bootstrap: cluster.bootstrap });
  const ask = async () => orThrow(await admin.describeTopics([topic]))[0]?.partitions[0]?.leader ?? null;
  // one broker may know the topic later than another
  return await waitUntil(`the leader of ${topic}`, ask);
}

/** With a topic of its own, which is deleted afterwards. */
export async function withTopic<T>(stage: Stage, shape: TopicShape, work: (topic: string) => Promise<T>): Promise<T> {
  const topic = stage.freshTopic();
  await makeTopics(stage.cluster, [topic], shape);
  try {
    return await work(topic);
  } finally {
    // a cluster that is about to be stopped, or is broken, keeps it
    await deleteTopics(stage.cluster, [topic], tidyMaxMs).catch(() => undefined);
  }
}
