import { zeroTopicId } from "../base/ids.ts";
import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int32, nullableString, saturatedInt64, string, uuid } from "../schema/primitives.ts";

const api = { apiKey: 8, versions: [0, 10], flexibleSince: 8 } as const;

/** From here on topics have ids instead of names. */
export const commitByIdsVersion = 10;

const topicName = string({ until: 9, absent: "" });
const topicId = uuid({ since: commitByIdsVersion, absent: zeroTopicId });

export const offsetCommitRequest = message(
  { ...api, name: "OffsetCommitRequest" },
  {
    groupId: string(),
    /** -1: committed from outside the group. */
    generationIdOrMemberEpoch: int32({ since: 1, absent: -1 }),
    memberId: string({ since: 1, absent: "" }),
    groupInstanceId: nullableString({ since: 7, absent: null }),
    /** Later versions leave retention to the broker's setting; -1 did the same. */
    retentionTimeMs: saturatedInt64({ since: 2, until: 4, absent: -1 }),
    topics: array(
      struct({
        name: topicName,
        topicId,
        partitions: array(
          struct({
            partitionIndex: int32(),
            committedOffset: saturatedInt64(),
            committedLeaderEpoch: int32({ since: 6, absent: -1 }),
            /** When it counts as committed; -1: now. */
            commitTimestamp: saturatedInt64({ since: 1, until: 1, absent: -1 }),
            committedMetadata: nullableString(),
          }),
        ),
      }),
    ),
  },
);
export type OffsetCommitRequest = MessageType<typeof offsetCommitRequest>;

export const offsetCommitResponse = message(
  { ...api, name: "OffsetCommitResponse" },
  {
    throttleTimeMs: int32({ since: 3, absent: 0 }),
    topics: array(struct({ name: topicName, topicId, partitions: array(struct({ partitionIndex: int32(), errorCode: errorCode() })) })),
  },
);
export type OffsetCommitResponse = MessageType<typeof offsetCommitResponse>;
