import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int8, int32, nullableErrorMessage, nullableString, string, uuid } from "../schema/primitives.ts";

const api = { apiKey: 69, versions: [0, 1], flexibleSince: 0 } as const;

const assignment = struct({
  topicPartitions: array(struct({ topicId: uuid(), topicName: string(), partitions: array(int32()) })),
});

export const consumerGroupDescribeRequest = message(
  { ...api, name: "ConsumerGroupDescribeRequest" },
  { groupIds: array(string()), includeAuthorizedOperations: bool() },
);
export type ConsumerGroupDescribeRequest = MessageType<typeof consumerGroupDescribeRequest>;

export const consumerGroupDescribeResponse = message(
  { ...api, name: "ConsumerGroupDescribeResponse" },
  {
    throttleTimeMs: int32(),
    groups: array(
      struct({
        errorCode: errorCode(),
        errorMessage: nullableErrorMessage(),
        groupId: string(),
        /** Empty, Assigning, Reconciling, Stable or Dead. */
        groupState: string(),
        groupEpoch: int32(),
        assignmentEpoch: int32(),
        assignorName: string(),
        members: array(
          struct({
            memberId: string(),
            instanceId: nullableString(),
            rackId: nullableString(),
            memberEpoch: int32(),
            clientId: string(),
            clientHost: string(),
            subscribedTopicNames: array(string()),
            subscribedTopicRegex: nullableString(),
            assignment,
            targetAssignment: assignment,
            /** -1: unknown; 0: of the classic protocol; 1: of the consumer protocol. */
            memberType: int8({ since: 1, absent: -1 }),
          }),
        ),
        /** One bit per operation; the lowest int32 when they were not requested. */
        authorizedOperations: int32(),
      }),
    ),
  },
);
export type ConsumerGroupDescribeResponse = MessageType<typeof consumerGroupDescribeResponse>;
