import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int32, string } from "../schema/primitives.ts";

const api = { apiKey: 16, versions: [0, 5], flexibleSince: 3 } as const;

export const listGroupsRequest = message(
  { ...api, name: "ListGroupsRequest" },
  {
    /** Empty: any state. */
    statesFilter: array(string(), { since: 4, absent: [] }),
    /** Empty: any type. */
    typesFilter: array(string(), { since: 5, absent: [] }),
  },
);
export type ListGroupsRequest = MessageType<typeof listGroupsRequest>;

export const listGroupsResponse = message(
  { ...api, name: "ListGroupsResponse" },
  {
    throttleTimeMs: int32({ since: 1, absent: 0 }),
    errorCode: errorCode(),
    groups: array(
      struct({
        groupId: string(),
        protocolType: string(),
        groupState: string({ since: 4, absent: "" }),
        groupType: string({ since: 5, absent: "" }),
      }),
    ),
  },
);
export type ListGroupsResponse = MessageType<typeof listGroupsResponse>;
