import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int32, int64, string } from "../schema/primitives.ts";

const api = { apiKey: 23, versions: [0, 4], flexibleSince: 4 } as const;

export const offsetForLeaderEpochRequest = message(
  { ...api, name: "OffsetForLeaderEpochRequest" },
  {
    /** -1: a consumer; -2: a tool that may see past the high watermark. */
    replicaId: int32({ since: 3, absent: -2 }),
    topics: array(
      struct({
        topic: string(),
        partitions: array(
          struct({
            partition: int32(),
            /** Fences a client with old metadata; -1: not checked. */
            currentLeaderEpoch: int32({ since: 2, absent: -1 }),
            /** The epoch whose end offset is requested. */
            leaderEpoch: int32(),
          }),
        ),
      }),
    ),
  },
);
export type OffsetForLeaderEpochRequest = MessageType<typeof offsetForLeaderEpochRequest>;

export const offsetForLeaderEpochResponse = message(
  { ...api, name: "OffsetForLeaderEpochResponse" },
  {
    throttleTimeMs: int32({ since: 2, absent: 0 }),
    topics: array(
      struct({
        topic: string(),
        partitions: array(
          struct({
            errorCode: errorCode(),
            partition: int32(),
            /** The largest epoch not above the requested one. */
            leaderEpoch: int32({ since: 1, absent: -1 }),
            /** Exclusive; -1: not known. */
            endOffset: int64(),
          }),
        ),
      }),
    ),
  },
);
export type OffsetForLeaderEpochResponse = MessageType<typeof offsetForLeaderEpochResponse>;
