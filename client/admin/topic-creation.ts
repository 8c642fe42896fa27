import { noBroker, type TopicId } from "../../protocol/base/ids.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import { whileAlive } from "../metadata/broker-watch.ts";
import type { Cluster } from "../metadata/cluster.ts";
import { emptySnapshot, mergeMetadata } from "../metadata/cluster-snapshot.ts";
import { metadataRequest } from "../metadata/metadata-request.ts";
import {
  type ConfigEntry,
  type ConfigResource,
  type CreatedTopic,
  type ItemResult,
  type NewTopic,
  orThrow,
  type ResourceConfigs,
  type TopicDescription,
} from "./admin-types.ts";

/** A topic that is there, and can be used. */
export interface PresentTopic {
  readonly name: string;
  readonly topicId: TopicId;
  /** False: it was there already; or an attempt of this call has made it, and the answer got lost. */
  readonly created: boolean;
  readonly partitions: number;
  readonly replicationFactor: number;
  /** Where a topic that was there already is not as it was wanted. It was not changed. */
  readonly differences: readonly TopicDifference[];
}

export interface TopicDifference {
  /** `partitions`, `replicationFactor`, `assignment` (the first partition that differs), or a setting's name. */
  readonly what: string;
  readonly wanted: string;
  /** Null: there is no such setting, or its value is a secret. */
  readonly actual: string | null;
}

export interface TopicPresenceParts {
  readonly cluster: Cluster;
  /** Monotonic. */
  readonly deadlineMs: number;
  readonly create: (topic: NewTopic) => Promise<ItemResult<CreatedTopic>>;
  readonly describeConfigs: (
    resources: readonly ConfigResource[],
    options: { readonly names: readonly string[] },
  ) => Promise<readonly ItemResult<ResourceConfigs>[]>;
}

/** Creates the topic unless it exists, and waits until every broker that answers knows it, and leaders of all its partitions. */
export async function createTopicIfMissing(parts: TopicPresenceParts, wanted: NewTopic): Promise<PresentTopic> {
  const { cluster, deadlineMs, create, describeConfigs } = parts;
  let created = false;
  const found = await cluster.retrying(deadlineMs, async () => {
    // again until it is ours: one that exists may be about to be deleted
    if (!created) {
      const { error } = await create(wanted);
      if (error !== null && error.code !== "TOPIC_ALREADY_EXISTS") throw error;
      created = error === null;
    }
    return usable(cluster, wanted.name);
  });
  const { name, topicId, partitions } = found;
  const names = Object.keys(wanted.configs ?? {});
  const isComparable = !created && names.length > 0;
  const actual = isComparable ? orThrow(await describeConfigs([{ topic: name }], { names })).flatMap(({ configs }) => configs) : [];
  return {
    name,
    topicId,
    created,
    partitions: partitions.length,
    replicationFactor: partitions[0]?.replicas.length ?? 0,
    differences: created ? [] : differencesOf(wanted, found, actual),
  };
}

/** The topic as the brokers have it. Throws a temporary failure where one of those that answer cannot serve it yet. */
async function usable(cluster: Cluster, name: string): Promise<TopicDescription> {
  await cluster.metadata.refresh();
  const ids = [...cluster.metadata.snapshot.brokers.keys()];
  const answers = await Promise.allSettled(ids.map((id) => topicAt(cluster, id, name)));
  const known = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
  for (const topic of known) if (topic instanceof KafkaProtocolError) throw topic;
  const [first] = known as TopicDescription[];
  if (first !== undefined) return first;
  const [failure] = answers as [PromiseRejectedResult | undefined];
  throw failure?.reason ?? new KafkaProtocolError("LEADER_NOT_AVAILABLE", `topic ${name}`, "no broker is known");
}

async function topicAt(cluster: Cluster, broker: number, name: string): Promise<TopicDescription | KafkaProtocolError> {
  const connection = await cluster.connection(broker);
  const build = (version: number) => metadataRequest([name], version);
  const answer = await whileAlive(cluster, connection, (signal) => connection.request(apis.metadata, build, { signal }));
  const { topics, topicErrors } = mergeMetadata(emptySnapshot, answer);
  const topic = topics.get(name);
  const about = `topic ${name} at broker ${broker}`;
  if (topic === undefined) {
    const code = topicErrors.get(name)?.code ?? "NONE";
    return new KafkaProtocolError(code === "NONE" ? "UNKNOWN_TOPIC_OR_PARTITION" : code, about);
  }
  if (topic.partitions.length > 0 && topic.partitions.every(({ leader }) => leader !== noBroker)) return topic;
  return new KafkaProtocolError("LEADER_NOT_AVAILABLE", about);
}

export function differencesOf(
  { partitions, replicationFactor, assignment = [], configs = {} }: NewTopic,
  { partitions: there }: Pick<TopicDescription, "partitions">,
  actual: readonly ConfigEntry[],
): readonly TopicDifference[] {
  const differences: TopicDifference[] = [];
  const compare = (what: string, wanted: string, value: string | null) => {
    if (wanted !== value) differences.push({ what, wanted, actual: value });
  };
  const isAssigned = assignment.length > 0;
  const count = isAssigned ? assignment.length : partitions;
  if (count !== undefined) compare("partitions", String(count), String(there.length));
  if (!isAssigned && replicationFactor !== undefined) {
    const other = there.find(({ replicas }) => replicas.length !== replicationFactor) ?? there[0];
    compare("replicationFactor", String(replicationFactor), String(other?.replicas.length ?? 0));
  }
  const moved = assignment.findIndex((replicas, i) => there[i] !== undefined && replicas.join() !== there[i].replicas.join());
  if (moved >= 0) compare("assignment", `${moved}: ${assignment[moved]?.join(", ")}`, `${moved}: ${there[moved]?.replicas.join(", ")}`);
  for (const [name, value] of Object.entries(configs)) compare(name, value, actual.find((each) => each.name === name)?.value ?? null);
  return differences;
}
