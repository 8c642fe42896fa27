import { zeroTopicId } from "../base/ids.ts";
import { array, nullableArray, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int32, nullableErrorMessage, nullableString, string, uuid } from "../schema/primitives.ts";
import { ottlaTagsFrom } from "./ottla-tags.ts";

const api = { apiKey: 3, versions: [0, 12], flexibleSince: 9 } as const;

export const metadataRequest = message(
  { ...api, name: "MetadataRequest" },
  {
    /** Null: every topic. An empty array: every topic in version 0, none from version 1 on. */
    topics: nullableArray(
      struct({
        topicId: uuid({ since: 10, absent: zeroTopicId }),
        /** Null when the topic is named by id (usable from version 12 on). */
        name: nullableString({ nullableSince: 10 }),
      }),
      { nullableSince: 1 },
    ),
    allowAutoTopicCreation: bool({ since: 4, absent: true }),
    /** Moved to DescribeCluster from version 11 on (KIP-700). */
    includeClusterAuthorizedOperations: bool({ since: 8, until: 10, absent: false }),
    includeTopicAuthorizedOperations: bool({ since: 8, absent: false }),
    /** Ottla's own: the answer has `offlineReasons` and reassignments, and topics an `errorMessage`. */
    includeReasons: bool({ since: 9, tag: ottlaTagsFrom, absent: false }),
  },
);
export type MetadataRequest = MessageType<typeof metadataRequest>;

export const metadataResponse = message(
  { ...api, name: "MetadataResponse" },
  {
    throttleTimeMs: int32({ since: 3, absent: 0 }),
    brokers: array(struct({ nodeId: int32(), host: string(), port: int32(), rack: nullableString({ since: 1, absent: null }) })),
    clusterId: nullableString({ since: 2, absent: null }),
    /** A broker to send administrative requests to; -1: none known. */
    controllerId: int32({ since: 1, absent: -1 }),
    topics: array(
      struct({
        errorCode: errorCode(),
        /** Null for an id that belongs to no topic. */
        name: nullableString({ nullableSince: 12 }),
        topicId: uuid({ since: 10, absent: zeroTopicId }),
        isInternal: bool({ since: 1, absent: false }),
        partitions: array(
          struct({
            errorCode: errorCode(),
            partitionIndex: int32(),
            /** -1: no leader at the moment. */
            leaderId: int32(),
            leaderEpoch: int32({ since: 7, absent: -1 }),
            replicaNodes: array(int32()),
            isrNodes: array(int32()),
            offlineReplicas: array(int32(), { since: 5, absent: [] }),
            /** Ottla's own: why live brokers cannot use their replicas. */
            offlineReasons: array(struct({ brokerId: int32(), reason: string() }), { since: 9, tag: ottlaTagsFrom, absent: [] }),
            /** Ottla's own: of a reassignment that is under way. */
            addingReplicas: array(int32(), { since: 9, tag: ottlaTagsFrom + 1, absent: [] }),
            removingReplicas: array(int32(), { since: 9, tag: ottlaTagsFrom + 2, absent: [] }),
          }),
        ),
        /** Ottla's own: why the topic could not be created when it was first mentioned. */
        errorMessage: nullableErrorMessage({ since: 9, tag: ottlaTagsFrom, absent: null }),
        /** One bit per operation; the default means that they were not requested. */
        topicAuthorizedOperations: int32({ since: 8, absent: -(2 ** 31) }),
      }),
    ),
    clusterAuthorizedOperations: int32({ since: 8, until: 10, absent: -(2 ** 31) }),
  },
);
export type MetadataResponse = MessageType<typeof metadataResponse>;
