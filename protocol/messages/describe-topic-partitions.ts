import { array, nullableArray, nullableStruct, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int32, nullableString, string, uuid } from "../schema/primitives.ts";

const api = { apiKey: 75, versions: [0, 0], flexibleSince: 0 } as const;

export const describeTopicPartitionsRequest = message(
  { ...api, name: "DescribeTopicPartitionsRequest" },
  {
    /** Empty: every topic. */
    topics: array(struct({ name: string() })),
    /** Over all topics; the rest is fetched with the response's `nextCursor`. */
    responsePartitionLimit: int32(),
    /** Where to start; null: at the beginning. */
    cursor: nullableStruct({ topicName: string(), partitionIndex: int32() }),
  },
);
export type DescribeTopicPartitionsRequest = MessageType<typeof describeTopicPartitionsRequest>;

export const describeTopicPartitionsResponse = message(
  { ...api, name: "DescribeTopicPartitionsResponse" },
  {
    throttleTimeMs: int32(),
    topics: array(
      struct({
        errorCode: errorCode(),
        name: nullableString(),
        topicId: uuid(),
        isInternal: bool(),
        partitions: array(
          struct({
            errorCode: errorCode(),
            partitionIndex: int32(),
            leaderId: int32(),
            leaderEpoch: int32(),
            replicaNodes: array(int32()),
            isrNodes: array(int32()),
            /** Null where the cluster keeps none (KIP-966). */
            eligibleLeaderReplicas: nullableArray(int32()),
            lastKnownElr: nullableArray(int32()),
            offlineReplicas: array(int32()),
          }),
        ),
        topicAuthorizedOperations: int32(),
      }),
    ),
    /** Null: there is no more. */
    nextCursor: nullableStruct({ topicName: string(), partitionIndex: int32() }),
  },
);
export type DescribeTopicPartitionsResponse = MessageType<typeof describeTopicPartitionsResponse>;
