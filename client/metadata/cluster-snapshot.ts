import { type BrokerId, noBroker, type TopicId, zeroTopicId } from "../../protocol/base/ids.ts";
import type { Address } from "../../protocol/base/transport.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { MetadataResponse } from "../../protocol/messages/metadata.ts";

export interface BrokerMetadata extends Address {
  readonly id: BrokerId;
  readonly rack: string | null;
}

export interface PartitionMetadata {
  readonly partition: number;
  /** -1: none now. */
  readonly leader: BrokerId;
  /** -1 when the broker is too old to report it. */
  readonly leaderEpoch: number;
  readonly replicas: readonly BrokerId[];
  readonly isr: readonly BrokerId[];
  readonly offlineReplicas: readonly BrokerId[];
  /** Why live brokers cannot use their replicas; only from Ottla's brokers, and only where an administrator asks. */
  readonly offlineReasons?: readonly { readonly brokerId: BrokerId; readonly reason: string }[];
  /** Of a reassignment that is under way; as above. */
  readonly addingReplicas?: readonly BrokerId[];
  readonly removingReplicas?: readonly BrokerId[];
}

export interface TopicMetadata {
  readonly name: string;
  /** The zero id when the broker is too old to report it. */
  readonly topicId: TopicId;
  readonly isInternal: boolean;
  /** By number, without gaps. */
  readonly partitions: readonly PartitionMetadata[];
}

/** Why nothing is known of a topic. */
export interface TopicError {
  readonly code: KafkaErrorCode;
  /** A sentence; only from Ottla's brokers, of a topic that could not be created when it was first mentioned. */
  readonly detail: string | null;
}

/** The cluster by the latest metadata. Never changed, only replaced. */
export interface ClusterSnapshot {
  readonly clusterId: string | null;
  readonly controllerId: BrokerId;
  readonly brokers: ReadonlyMap<BrokerId, BrokerMetadata>;
  readonly topics: ReadonlyMap<string, TopicMetadata>;
  /** Of requested topics, why there is nothing about them in `topics`. */
  readonly topicErrors: ReadonlyMap<string, TopicError>;
}

export const emptySnapshot: ClusterSnapshot = {
  clusterId: null,
  controllerId: noBroker,
  brokers: new Map(),
  topics: new Map(),
  topicErrors: new Map(),
};

/**
 * What is known after an answer. Brokers learn of changes at different times, so an answer may be older than what we have: a partition's
 * leader epoch never goes back, unless the topic itself was replaced by another of the same name (another id). Topics that the answer does
 * not mention stay.
 */
export function mergeMetadata(previous: ClusterSnapshot, answer: MetadataResponse): ClusterSnapshot {
  const topics = new Map(previous.topics);
  const topicErrors = new Map(previous.topicErrors);
  for (const { name, topicId, isInternal, errorCode, errorMessage, partitions } of answer.topics) {
    if (name === null) continue;
    const known = previous.topics.get(name);
    if (errorCode !== "NONE" && partitions.length === 0) {
      topicErrors.set(name, { code: errorCode, detail: errorMessage });
      // a broker that just started may know nothing yet, or one that just lost its leader: what we knew is still the best guess
      if (errorCode === "UNKNOWN_TOPIC_OR_PARTITION" || known === undefined) topics.delete(name);
      continue;
    }
    topicErrors.delete(name);
    const sameTopic = known !== undefined && (known.topicId === topicId || topicId === zeroTopicId || known.topicId === zeroTopicId);
    const merged: PartitionMetadata[] = [];
    for (const partition of partitions.toSorted((a, b) => a.partitionIndex - b.partitionIndex)) {
      if (partition.partitionIndex !== merged.length) break; // a gap: what follows cannot be addressed by position
      const fresh: PartitionMetadata = {
        partition: partition.partitionIndex,
        leader: partition.leaderId,
        leaderEpoch: partition.leaderEpoch,
        replicas: partition.replicaNodes,
        isr: partition.isrNodes,
        offlineReplicas: partition.offlineReplicas,
        ...(partition.offlineReasons.length > 0 ? { offlineReasons: partition.offlineReasons } : {}),
        ...(partition.addingReplicas.length > 0 ? { addingReplicas: partition.addingReplicas } : {}),
        ...(partition.removingReplicas.length > 0 ? { removingReplicas: partition.removingReplicas } : {}),
      };
      const old = sameTopic ? known.partitions[partition.partitionIndex] : undefined;
      merged.push(old !== undefined && fresh.leaderEpoch !== -1 && fresh.leaderEpoch < old.leaderEpoch ? old : fresh);
    }
    topics.set(name, { name, topicId, isInternal, partitions: merged });
  }
  return {
    clusterId: answer.clusterId ?? previous.clusterId,
    controllerId: answer.controllerId,
    brokers: answer.brokers.length === 0 ? previous.brokers : brokersOf(answer),
    topics,
    topicErrors,
  };
}

function brokersOf(answer: MetadataResponse): ReadonlyMap<BrokerId, BrokerMetadata> {
  return new Map(answer.brokers.map(({ nodeId, host, port, rack }) => [nodeId, { id: nodeId, host, port, rack }]));
}

/** A partition's leader, as included in a broker's refusal of a request (KIP-951). */
export interface LearntLeader {
  readonly topic: string;
  readonly partition: number;
  readonly leaderId: BrokerId;
  readonly leaderEpoch: number;
}

/** The address of a leader that was learnt. */
export interface NodeEndpoint extends Address {
  readonly nodeId: BrokerId;
  readonly rack: string | null;
}

export function learnLeader(snapshot: ClusterSnapshot, learnt: LearntLeader, nodes: readonly NodeEndpoint[]): ClusterSnapshot {
  const topic = snapshot.topics.get(learnt.topic);
  const known = topic?.partitions[learnt.partition];
  if (topic === undefined || known === undefined || learnt.leaderId < 0 || learnt.leaderEpoch <= known.leaderEpoch) return snapshot;
  const node = nodes.find(({ nodeId }) => nodeId === learnt.leaderId);
  const brokers = node === undefined ? snapshot.brokers : withBroker(snapshot.brokers, node);
  if (!brokers.has(learnt.leaderId)) return snapshot;
  const partition = { ...known, leader: learnt.leaderId, leaderEpoch: learnt.leaderEpoch };
  const topics = new Map(snapshot.topics).set(topic.name, { ...topic, partitions: topic.partitions.with(learnt.partition, partition) });
  return { ...snapshot, topics, brokers };
}

function withBroker(brokers: ClusterSnapshot["brokers"], { nodeId: id, host, port, rack }: NodeEndpoint): ClusterSnapshot["brokers"] {
  const known = brokers.get(id);
  if (known?.host === host && known.port === port) return brokers;
  return new Map(brokers).set(id, { id, host, port, rack });
}
