import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int16, int32, nullableString, saturatedInt64, string } from "../schema/primitives.ts";

const api = { apiKey: 28, versions: [0, 5], flexibleSince: 3 } as const;

/** From here on the request also adds the group's offsets to the transaction (KIP-890). */
export const addingOffsetsVersion = 5;

export const txnOffsetCommitRequest = message(
  { ...api, name: "TxnOffsetCommitRequest" },
  {
    transactionalId: string(),
    groupId: string(),
    producerId: saturatedInt64(),
    producerEpoch: int16(),
    /** -1, with no member: committed from outside the group. */
    generationIdOrMemberEpoch: int32({ since: 3, absent: -1 }),
    memberId: string({ since: 3, absent: "" }),
    groupInstanceId: nullableString({ since: 3, absent: null }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            committedOffset: saturatedInt64(),
            committedLeaderEpoch: int32({ since: 2, absent: -1 }),
            committedMetadata: nullableString(),
          }),
        ),
      }),
    ),
  },
);
export type TxnOffsetCommitRequest = MessageType<typeof txnOffsetCommitRequest>;

export const txnOffsetCommitResponse = message(
  { ...api, name: "TxnOffsetCommitResponse" },
  {
    throttleTimeMs: int32(),
    topics: array(struct({ name: string(), partitions: array(struct({ partitionIndex: int32(), errorCode: errorCode() })) })),
  },
);
export type TxnOffsetCommitResponse = MessageType<typeof txnOffsetCommitResponse>;
