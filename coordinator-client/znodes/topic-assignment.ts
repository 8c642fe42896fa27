import type { BrokerId, TopicId } from "../../protocol/base/ids.ts";
import { encodeJson, int32Max, JsonNode } from "./json.ts";
import { numberedName } from "./paths.ts";

/** What `/brokers/topics/T` says: Kafka's version 3. */
export interface TopicAssignment {
  /** Null in znodes written before Kafka 2.8. */
  readonly topicId: TopicId | null;
  /** Replicas of each partition, the preferred leader first; by partition number, dense from 0. */
  readonly partitions: readonly (readonly BrokerId[])[];
  /** Replicas that a reassignment adds or removes; only partitions under reassignment are in here. */
  readonly addingReplicas: ReadonlyMap<number, readonly BrokerId[]>;
  readonly removingReplicas: ReadonlyMap<number, readonly BrokerId[]>;
  /**
   * Brokers whose replicas are removed, and which have not reported yet that the logs are deleted or set aside. Our own; Kafka's tools
   * ignore it.
   */
  readonly removedReplicas: ReadonlyMap<number, readonly BrokerId[]>;
}

const version = 3;

export function encodeTopicAssignment(assignment: TopicAssignment): Buffer {
  const { topicId, partitions, addingReplicas, removingReplicas, removedReplicas } = assignment;
  return encodeJson({
    removing_replicas: Object.fromEntries(removingReplicas),
    partitions: Object.fromEntries(partitions.map((replicas, partition) => [partition, replicas])),
    ...(topicId === null ? {} : { topic_id: topicId }),
    adding_replicas: Object.fromEntries(addingReplicas),
    version,
    ...(removedReplicas.size === 0 ? {} : { ottla: { removed_replicas: Object.fromEntries(removedReplicas) } }),
  });
}

/** Throws MalformedZnode. */
export function decodeTopicAssignment(path: string, data: Buffer): TopicAssignment {
  const json = JsonNode.parse(path, data);
  const replicas = replicasByPartition(json, "partitions");
  const partitions = Array.from({ length: replicas.size }, (_, partition) => {
    const found = replicas.get(partition);
    if (found === undefined) throw json.malformed(`its ${replicas.size} partitions are not numbered from 0 on: ${partition} is missing`);
    return found;
  });
  const topicId = json.textOrNull("topic_id");
  if (topicId !== null && !/^[A-Za-z0-9_-]{22}$/.test(topicId)) throw json.malformed(`"topic_id" is no topic id: ${topicId.slice(0, 50)}`);
  const ours = json.has("ottla") ? json.object("ottla") : null;
  return {
    topicId,
    partitions,
    addingReplicas: json.has("adding_replicas") ? replicasByPartition(json, "adding_replicas") : new Map(),
    removingReplicas: json.has("removing_replicas") ? replicasByPartition(json, "removing_replicas") : new Map(),
    removedReplicas: ours?.has("removed_replicas") ? replicasByPartition(ours, "removed_replicas") : new Map(),
  };
}

function replicasByPartition(json: JsonNode, member: string): Map<number, readonly BrokerId[]> {
  const object = json.object(member);
  const result = new Map<number, readonly BrokerId[]>();
  for (const name of object.names()) {
    const partition = numberedName(name);
    if (partition === null) throw json.malformed(`"${member}" has a partition "${name.slice(0, 50)}"`);
    const replicas = object.integers(name, { min: 0, max: int32Max });
    if (new Set(replicas).size !== replicas.length) throw json.malformed(`"${member}" names a replica of partition ${partition} twice`);
    result.set(partition, replicas);
  }
  return result;
}
