import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int32, string } from "../schema/primitives.ts";

const api = { apiKey: 47, versions: [0, 0], flexibleSince: null } as const;

export const offsetDeleteRequest = message(
  { ...api, name: "OffsetDeleteRequest" },
  { groupId: string(), topics: array(struct({ name: string(), partitions: array(struct({ partitionIndex: int32() })) })) },
);
export type OffsetDeleteRequest = MessageType<typeof offsetDeleteRequest>;

export const offsetDeleteResponse = message(
  { ...api, name: "OffsetDeleteResponse" },
  {
    errorCode: errorCode(),
    throttleTimeMs: int32(),
    topics: array(struct({ name: string(), partitions: array(struct({ partitionIndex: int32(), errorCode: errorCode() })) })),
  },
);
export type OffsetDeleteResponse = MessageType<typeof offsetDeleteResponse>;
