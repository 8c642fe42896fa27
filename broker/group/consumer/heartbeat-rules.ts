import type { KafkaError } from "../../../protocol/errors/kafka-errors.ts";
import type { ConsumerGroupHeartbeatRequest } from "../../../protocol/messages/consumer-group-heartbeat.ts";
import { type PartitionMap, withoutPartitions } from "../assignors/partition-map.ts";
import { type CurrentAssignment, joining, leaving, leftForNow } from "./consumer-group-member.ts";

/** Why a heartbeat is refused; the message is for readers of the client's log. */
export interface Refusal {
  readonly error: KafkaError;
  readonly message: string;
}

/** From here on members generate their ids themselves (KIP-1082). */
const ownMemberIdVersion = 1;
/** From here on members may subscribe by an expression. */
const patternsVersion = 1;

export function refusal(error: KafkaError, message: string): Refusal {
  return { error, message };
}

/** What is wrong with a heartbeat in itself, whatever the group's state; null: nothing. */
export function faultOf(request: ConsumerGroupHeartbeatRequest, apiVersion: number, assignorNames: readonly string[]): Refusal | null {
  const fault = fieldFault(request) ?? epochFault(request, apiVersion);
  if (fault !== null) return refusal("INVALID_REQUEST", fault);
  const { serverAssignor } = request;
  if (serverAssignor !== null && !assignorNames.includes(serverAssignor))
    return refusal(
      "UNSUPPORTED_ASSIGNOR",
      `ServerAssignor ${serverAssignor} is not supported. Supported assignors: ${assignorNames.join(", ")}.`,
    );
  return null;
}

function fieldFault({ groupId, instanceId, rackId, rebalanceTimeoutMs, topicPartitions }: ConsumerGroupHeartbeatRequest): string | null {
  if (isBlank(groupId)) return "GroupId can't be empty.";
  if (isBlank(instanceId)) return "InstanceId can't be empty.";
  if (isBlank(rackId)) return "RackId can't be empty.";
  if (rebalanceTimeoutMs < -1) return "RebalanceTimeoutMs can't be negative.";
  if (topicPartitions?.some(({ partitions }) => partitions.some((partition) => partition < 0)) === true)
    return "TopicPartitions can't hold negative partition numbers.";
  return null;
}

function epochFault(request: ConsumerGroupHeartbeatRequest, apiVersion: number): string | null {
  const { memberId, memberEpoch, instanceId, rebalanceTimeoutMs, topicPartitions } = request;
  if (memberEpoch < leftForNow) return "MemberEpoch is invalid.";
  if ((memberEpoch !== joining || apiVersion >= ownMemberIdVersion) && isBlank(memberId)) return "MemberId can't be empty.";
  if (memberEpoch === leftForNow && instanceId === null) return "InstanceId can't be null.";
  if (memberEpoch !== joining) return null;
  if (rebalanceTimeoutMs === -1) return "RebalanceTimeoutMs must be provided in first request.";
  if (topicPartitions === null || topicPartitions.length > 0) return "TopicPartitions must be empty when (re-)joining.";
  return subscriptionFault(request, apiVersion);
}

/** Of a member that joins. Since the version with expressions, members may subscribe to nothing yet. */
function subscriptionFault(
  { subscribedTopicNames, subscribedTopicRegex }: ConsumerGroupHeartbeatRequest,
  apiVersion: number,
): string | null {
  if (apiVersion >= patternsVersion)
    return subscribedTopicNames === null && subscribedTopicRegex === null
      ? "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
      : null;
  return subscribedTopicNames === null || subscribedTopicNames.length === 0 ? "SubscribedTopicNames must be set in first request." : null;
}

function isBlank(text: string | null): boolean {
  return text !== null && text.trim() === "";
}

export function isLeaving({ memberEpoch }: ConsumerGroupHeartbeatRequest): boolean {
  return memberEpoch === leaving || memberEpoch === leftForNow;
}

/**
 * A member is in the epoch that the coordinator knows, or in the one before with no partition that it must not have: then only an answer
 * was lost.
 */
export function epochRefusal(current: CurrentAssignment, memberEpoch: number, owned: PartitionMap | null): Refusal | null {
  if (memberEpoch === current.epoch) return null;
  const missedAnswer = memberEpoch < current.epoch && memberEpoch === current.previousEpoch && owned !== null;
  if (missedAnswer && withoutPartitions(owned, current.assigned).size === 0) return null;
  const compared = memberEpoch > current.epoch ? "greater" : "smaller";
  return refusal(
    "FENCED_MEMBER_EPOCH",
    `The consumer group member has a ${compared} member epoch (${memberEpoch}) than the one known by the group coordinator (${current.epoch}). The member must abandon all its partitions and rejoin.`,
  );
}
