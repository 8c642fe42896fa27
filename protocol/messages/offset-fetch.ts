import { array, nullableArray, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int32, int64, nullableString, string } from "../schema/primitives.ts";

const api = { apiKey: 9, versions: [0, 9], flexibleSince: 6 } as const;

export const offsetFetchRequest = message(
  { ...api, name: "OffsetFetchRequest" },
  {
    groupId: string({ until: 7, absent: "" }),
    /** Null: every topic the group has offsets for. */
    topics: nullableArray(struct({ name: string(), partitionIndexes: array(int32()) }), { until: 7, nullableSince: 2, absent: [] }),
    /** Several groups at once, instead of the two fields above. */
    groups: array(
      struct({
        groupId: string(),
        memberId: nullableString({ since: 9, absent: null }),
        memberEpoch: int32({ since: 9, absent: -1 }),
        /** Null: every topic the group has offsets for. */
        topics: nullableArray(struct({ name: string(), partitionIndexes: array(int32()) })),
      }),
      { since: 8, absent: [] },
    ),
    /** Answer UNSTABLE_OFFSET_COMMIT while a transaction may still change an offset (KIP-447). */
    requireStable: bool({ since: 7, absent: false }),
  },
);
export type OffsetFetchRequest = MessageType<typeof offsetFetchRequest>;

export const offsetFetchResponse = message(
  { ...api, name: "OffsetFetchResponse" },
  {
    throttleTimeMs: int32({ since: 3, absent: 0 }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            /** -1: none committed. */
            committedOffset: int64(),
            committedLeaderEpoch: int32({ since: 5, absent: -1 }),
            metadata: nullableString(),
            errorCode: errorCode(),
          }),
        ),
      }),
      { until: 7, absent: [] },
    ),
    errorCode: errorCode({ since: 2, until: 7, absent: "NONE" }),
    groups: array(
      struct({
        groupId: string(),
        topics: array(
          struct({
            name: string(),
            partitions: array(
              struct({
                partitionIndex: int32(),
                /** -1: none committed. */
                committedOffset: int64(),
                committedLeaderEpoch: int32(),
                metadata: nullableString(),
                errorCode: errorCode(),
              }),
            ),
          }),
        ),
        errorCode: errorCode(),
      }),
      { since: 8, absent: [] },
    ),
  },
);
export type OffsetFetchResponse = MessageType<typeof offsetFetchResponse>;
