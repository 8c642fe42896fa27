import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, bytes, errorCode, int32, int64, nullableString, string } from "../schema/primitives.ts";
import { ottlaTagsFrom } from "./ottla-tags.ts";

const api = { apiKey: 15, versions: [0, 5], flexibleSince: 5 } as const;

export const describeGroupsRequest = message(
  { ...api, name: "DescribeGroupsRequest" },
  {
    groups: array(string()),
    includeAuthorizedOperations: bool({ since: 3, absent: false }),
    /** Ottla's own: the answer says who is waited for, and since when. */
    includeRebalance: bool({ since: 5, tag: ottlaTagsFrom, absent: false }),
  },
);
export type DescribeGroupsRequest = MessageType<typeof describeGroupsRequest>;

export const describeGroupsResponse = message(
  { ...api, name: "DescribeGroupsResponse" },
  {
    throttleTimeMs: int32({ since: 1, absent: 0 }),
    groups: array(
      struct({
        errorCode: errorCode(),
        groupId: string(),
        /** Empty, Stable, PreparingRebalance, CompletingRebalance or Dead. */
        groupState: string(),
        protocolType: string(),
        /** The chosen protocol's name; empty unless the group is stable. */
        protocolData: string(),
        members: array(
          struct({
            memberId: string(),
            groupInstanceId: nullableString({ since: 4, absent: null }),
            clientId: string(),
            clientHost: string(),
            memberMetadata: bytes(),
            memberAssignment: bytes(),
            /** Ottla's own: the rebalance waits for it. */
            isAwaited: bool({ since: 5, tag: ottlaTagsFrom, absent: false }),
          }),
        ),
        authorizedOperations: int32({ since: 3, absent: -(2 ** 31) }),
        /** Ottla's own: milliseconds since 1970; -1: the group does not rebalance. */
        rebalanceSinceMs: int64({ since: 5, tag: ottlaTagsFrom, absent: -1 }),
        /** Ottla's own: clients that were given a member id and have not joined yet. */
        newcomers: int32({ since: 5, tag: ottlaTagsFrom + 1, absent: 0 }),
      }),
    ),
  },
);
export type DescribeGroupsResponse = MessageType<typeof describeGroupsResponse>;
