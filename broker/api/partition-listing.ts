import { type BrokerId, noBroker, partitionKey, type TopicId } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import type { ClusterImage } from "../cluster/cluster-image.ts";
import { addingOf } from "../runtime/reassignment-rules.ts";
import { nodeOn } from "./leader-hints.ts";

/** A partition as metadata responses list it. */
export interface ListedPartition {
  readonly errorCode: KafkaErrorCode;
  readonly partitionIndex: number;
  readonly leaderId: BrokerId;
  readonly leaderEpoch: number;
  readonly replicaNodes: readonly BrokerId[];
  readonly isrNodes: readonly BrokerId[];
  /** Replicas that are not alive, whose log directory failed, or that this listener's clients cannot reach. */
  readonly offlineReplicas: readonly BrokerId[];
}

export interface OfflineReason {
  readonly brokerId: BrokerId;
  readonly reason: string;
}

/** Enough for a path and a system error. */
const reasonLengthMax = 500;

/** Reasons that live brokers gave for replicas of a partition that they cannot use. */
export function offlineReasons(image: ClusterImage, topicId: TopicId, { partition, replicas }: PartitionRecord): readonly OfflineReason[] {
  if (image.offlineReplicas.size === 0) return [];
  const key = partitionKey(topicId, partition);
  return replicas.flatMap((brokerId) => {
    const reason = image.offlineReplicas.get(brokerId)?.get(key);
    return reason === undefined ? [] : [{ brokerId, reason: reason.slice(0, reasonLengthMax) }];
  });
}

interface ChangingReplicas {
  readonly addingReplicas: readonly BrokerId[];
  readonly removingReplicas: readonly BrokerId[];
}

export const notChanging: ChangingReplicas = { addingReplicas: [], removingReplicas: [] };

/** By a reassignment that is under way. */
export function changingReplicas(record: PartitionRecord): ChangingReplicas {
  if (record.reassignment === undefined) return notChanging;
  return { addingReplicas: addingOf(record), removingReplicas: record.reassignment.removing };
}

/** How the Metadata versions differ in what they can say of a broker that cannot be reached. */
export interface ListingRules {
  /** Version 0 lists only reachable replicas, and says when some were left out. */
  readonly onlyReachable: boolean;
  /** LISTENER_NOT_FOUND came with version 6; before, such a leader is just not available. */
  readonly listenerErrors: boolean;
}

export function listPartition(
  image: ClusterImage,
  listener: string,
  topicId: TopicId,
  record: PartitionRecord,
  rules: ListingRules,
): ListedPartition {
  const isReachable = (id: BrokerId) => {
    const broker = image.brokers.get(id);
    return broker !== undefined && nodeOn(broker, listener) !== null;
  };
  const hasFailed = (id: BrokerId) => image.offlineReplicas.get(id)?.has(partitionKey(topicId, record.partition)) === true;
  const visible = (ids: readonly BrokerId[]) => (rules.onlyReachable ? ids.filter(isReachable) : ids);
  const replicaNodes = visible(record.replicas);
  const isrNodes = visible(record.isr);
  // known as the leader, but it does not serve yet: a client that asked it now would be told that it does not lead
  const isStarting = isStartingLeader(image, topicId, record);
  const leaderIsReachable = isReachable(record.leader) && !isStarting;
  const missingLeader = isStarting ? "LEADER_NOT_AVAILABLE" : unreachableLeader(image, record.leader, rules);
  const isComplete = replicaNodes.length === record.replicas.length && isrNodes.length === record.isr.length;
  return {
    errorCode: leaderIsReachable ? (isComplete ? "NONE" : "REPLICA_NOT_AVAILABLE") : missingLeader,
    partitionIndex: record.partition,
    leaderId: leaderIsReachable ? record.leader : noBroker,
    leaderEpoch: record.leaderEpoch,
    replicaNodes,
    isrNodes,
    offlineReplicas: record.replicas.filter((id) => !isReachable(id) || hasFailed(id)),
  };
}

function unreachableLeader(image: ClusterImage, leader: BrokerId, { listenerErrors }: ListingRules): KafkaErrorCode {
  return image.brokers.has(leader) && listenerErrors ? "LISTENER_NOT_FOUND" : "LEADER_NOT_AVAILABLE";
}

function isStartingLeader({ startingLeaders }: ClusterImage, id: TopicId, { partition, leader, leaderEpoch }: PartitionRecord): boolean {
  if (startingLeaders.length === 0 || leaderEpoch > 0) return false;
  return startingLeaders.some((one) => one.topicId === id && one.brokerId === leader && partition >= one.fromPartition);
}
