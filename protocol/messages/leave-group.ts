import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int32, nullableString, string } from "../schema/primitives.ts";

const api = { apiKey: 13, versions: [0, 5], flexibleSince: 4 } as const;

export const leaveGroupRequest = message(
  { ...api, name: "LeaveGroupRequest" },
  {
    groupId: string(),
    /** Versions before 3 name one member here; later ones any number in `members`. */
    memberId: string({ until: 2, absent: "" }),
    members: array(struct({ memberId: string(), groupInstanceId: nullableString(), reason: nullableString({ since: 5, absent: null }) }), {
      since: 3,
      absent: [],
    }),
  },
);
export type LeaveGroupRequest = MessageType<typeof leaveGroupRequest>;

export const leaveGroupResponse = message(
  { ...api, name: "LeaveGroupResponse" },
  {
    throttleTimeMs: int32({ since: 1, absent: 0 }),
    errorCode: errorCode(),
    members: array(struct({ memberId: string(), groupInstanceId: nullableString(), errorCode: errorCode() }), { since: 3, absent: [] }),
  },
);
export type LeaveGroupResponse = MessageType<typeof leaveGroupResponse>;
