import { array, nullableArray, nullableStruct, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int32, nullableString, string, uuid } from "../schema/primitives.ts";

const api = { apiKey: 68, versions: [0, 0], flexibleSince: 0 } as const;

const topicPartitions = struct({ topicId: uuid(), partitions: array(int32()) });

/** KIP-848. Whatever may be null is, when it did not change since the member's last heartbeat. */
export const consumerGroupHeartbeatRequest = message(
  { ...api, name: "ConsumerGroupHeartbeatRequest" },
  {
    groupId: string(),
    /** Empty on the first join: the answer then has the id to use from there on. */
    memberId: string(),
    /** 0 to join; -1 to leave; -2 when a static member leaves and will be back. */
    memberEpoch: int32(),
    instanceId: nullableString(),
    rackId: nullableString(),
    /** Milliseconds the member may take to give partitions up; -1: unchanged. */
    rebalanceTimeoutMs: int32(),
    subscribedTopicNames: nullableArray(string()),
    serverAssignor: nullableString(),
    /** What the member has now. */
    topicPartitions: nullableArray(topicPartitions),
  },
);
export type ConsumerGroupHeartbeatRequest = MessageType<typeof consumerGroupHeartbeatRequest>;

export const consumerGroupHeartbeatResponse = message(
  { ...api, name: "ConsumerGroupHeartbeatResponse" },
  {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    errorMessage: nullableString(),
    memberId: nullableString(),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    /** What the member may use from now on; null: as before. */
    assignment: nullableStruct({ topicPartitions: array(topicPartitions) }),
  },
);
export type ConsumerGroupHeartbeatResponse = MessageType<typeof consumerGroupHeartbeatResponse>;
