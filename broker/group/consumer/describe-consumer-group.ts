import type { TopicId } from "../../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import type { ConsumerGroupDescribeResponse } from "../../../protocol/messages/consumer-group-describe.ts";
import type { PartitionMap } from "../assignors/partition-map.ts";
import type { ConsumerGroup } from "./consumer-group.ts";

/** What ConsumerGroupDescribe returns of a group, authorized operations aside. */
export type DescribedConsumerGroup = Omit<ConsumerGroupDescribeResponse["groups"][number], "authorizedOperations">;

const memberOfConsumerProtocol = 1;

export function describeConsumerGroup(
  group: ConsumerGroup,
  assignorName: string,
  topicNames: ReadonlyMap<TopicId, string>,
): DescribedConsumerGroup {
  // a topic that was deleted meanwhile has no name to show
  const named = (partitions: PartitionMap) => ({
    topicPartitions: [...partitions].flatMap(([topicId, numbers]) => {
      const topicName = topicNames.get(topicId);
      return topicName === undefined ? [] : [{ topicId, topicName, partitions: numbers }];
    }),
  });
  return {
    errorCode: "NONE",
    errorMessage: null,
    groupId: group.groupId,
    groupState: group.stateName,
    groupEpoch: group.groupEpoch,
    assignmentEpoch: group.assignmentEpoch,
    assignorName,
    members: [...group.members].map(
      ([memberId, { instanceId, rackId, clientId, clientHost, subscribedTopicNames, subscribedTopicRegex }]) => {
        const { epoch, assigned } = group.current(memberId);
        return {
          memberId,
          instanceId,
          rackId,
          memberEpoch: epoch,
          clientId,
          clientHost,
          subscribedTopicNames,
          subscribedTopicRegex,
          assignment: named(assigned),
          targetAssignment: named(group.target(memberId)),
          memberType: memberOfConsumerProtocol,
        };
      },
    ),
  };
}

export function undescribed(groupId: string, errorCode: KafkaErrorCode, errorMessage: string | null): DescribedConsumerGroup {
  return {
    errorCode,
    errorMessage,
    groupId,
    groupState: "",
    groupEpoch: 0,
    assignmentEpoch: 0,
    assignorName: "",
    members: [],
  };
}
