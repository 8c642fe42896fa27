import { array, nullableArray, nullableStruct, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int32, nullableErrorMessage, nullableString, string, uuid } from "../schema/primitives.ts";

const api = { apiKey: 68, versions: [0, 1], flexibleSince: 0 } as const;

const topicPartitions = struct({ topicId: uuid(), partitions: array(int32()) });

/** KIP-848. Each nullable field is null when it did not change since the member's last heartbeat. */
export const consumerGroupHeartbeatRequest = message(
  { ...api, name: "ConsumerGroupHeartbeatRequest" },
  {
    groupId: string(),
    /**
     * Version 0 may leave it empty on the first join: the answer then has the id to use from there on. From version 1 on the member
     * generates its own (KIP-1082).
     */
    memberId: string(),
    /** 0 to join; -1 to leave; -2 when a static member leaves and will return. */
    memberEpoch: int32(),
    instanceId: nullableString(),
    rackId: nullableString(),
    /** Milliseconds that the member may take to give up partitions; -1: unchanged. */
    rebalanceTimeoutMs: int32(),
    subscribedTopicNames: nullableArray(string()),
    /** RE2. Topics whose whole name matches are subscribed to, in addition to the names. Empty: no expression any more. */
    subscribedTopicRegex: nullableString({ since: 1, absent: null }),
    serverAssignor: nullableString(),
    /** What the member owns now. */
    topicPartitions: nullableArray(topicPartitions),
  },
);
export type ConsumerGroupHeartbeatRequest = MessageType<typeof consumerGroupHeartbeatRequest>;

export const consumerGroupHeartbeatResponse = message(
  { ...api, name: "ConsumerGroupHeartbeatResponse" },
  {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    errorMessage: nullableErrorMessage(),
    memberId: nullableString(),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    /** What the member may use from now on; null: unchanged. */
    assignment: nullableStruct({ topicPartitions: array(topicPartitions) }),
  },
);
export type ConsumerGroupHeartbeatResponse = MessageType<typeof consumerGroupHeartbeatResponse>;
