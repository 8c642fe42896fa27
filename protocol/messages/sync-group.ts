import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bytes, errorCode, int32, nullableString, string } from "../schema/primitives.ts";

const api = { apiKey: 14, versions: [0, 5], flexibleSince: 4 } as const;

export const syncGroupRequest = message(
  { ...api, name: "SyncGroupRequest" },
  {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: nullableString({ since: 3, absent: null }),
    protocolType: nullableString({ since: 5, absent: null }),
    protocolName: nullableString({ since: 5, absent: null }),
    /** From the leader only; empty from all other members. */
    assignments: array(struct({ memberId: string(), assignment: bytes() })),
  },
);
export type SyncGroupRequest = MessageType<typeof syncGroupRequest>;

export const syncGroupResponse = message(
  { ...api, name: "SyncGroupResponse" },
  {
    throttleTimeMs: int32({ since: 1, absent: 0 }),
    errorCode: errorCode(),
    protocolType: nullableString({ since: 5, absent: null }),
    protocolName: nullableString({ since: 5, absent: null }),
    assignment: bytes(),
  },
);
export type SyncGroupResponse = MessageType<typeof syncGroupResponse>;
