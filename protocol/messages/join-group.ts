import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, bytes, errorCode, int32, nullableString, string } from "../schema/primitives.ts";

const api = { apiKey: 11, versions: [0, 9], flexibleSince: 6 } as const;

export const joinGroupRequest = message(
  { ...api, name: "JoinGroupRequest" },
  {
    groupId: string(),
    sessionTimeoutMs: int32(),
    /** -1 (version 0): the session timeout is used for both. */
    rebalanceTimeoutMs: int32({ since: 1, absent: -1 }),
    /** Empty on the first join; from version 4 on the answer is then MEMBER_ID_REQUIRED with the id to use. */
    memberId: string(),
    groupInstanceId: nullableString({ since: 5, absent: null }),
    protocolType: string(),
    /** In the member's order of preference. */
    protocols: array(struct({ name: string(), metadata: bytes() })),
    reason: nullableString({ since: 8, absent: null }),
  },
);
export type JoinGroupRequest = MessageType<typeof joinGroupRequest>;

export const joinGroupResponse = message(
  { ...api, name: "JoinGroupResponse" },
  {
    throttleTimeMs: int32({ since: 2, absent: 0 }),
    errorCode: errorCode(),
    generationId: int32(),
    protocolType: nullableString({ since: 7, absent: null }),
    protocolName: nullableString({ nullableSince: 7 }),
    leader: string(),
    /** The leader keeps the assignment as it is (KIP-814). */
    skipAssignment: bool({ since: 9, absent: false }),
    memberId: string(),
    /** For the leader only; empty for all other members. */
    members: array(struct({ memberId: string(), groupInstanceId: nullableString({ since: 5, absent: null }), metadata: bytes() })),
  },
);
export type JoinGroupResponse = MessageType<typeof joinGroupResponse>;
