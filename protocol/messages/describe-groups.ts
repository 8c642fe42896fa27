import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, bytes, errorCode, int32, nullableString, string } from "../schema/primitives.ts";

const api = { apiKey: 15, versions: [0, 5], flexibleSince: 5 } as const;

export const describeGroupsRequest = message(
  { ...api, name: "DescribeGroupsRequest" },
  { groups: array(string()), includeAuthorizedOperations: bool({ since: 3, absent: false }) },
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
          }),
        ),
        authorizedOperations: int32({ since: 3, absent: -(2 ** 31) }),
      }),
    ),
  },
);
export type DescribeGroupsResponse = MessageType<typeof describeGroupsResponse>;
