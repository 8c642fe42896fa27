import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int8, int32, nullableErrorMessage, string } from "../schema/primitives.ts";

const api = { apiKey: 10, versions: [0, 6], flexibleSince: 3 } as const;

export const findCoordinatorRequest = message(
  { ...api, name: "FindCoordinatorRequest" },
  {
    key: string({ until: 3, absent: "" }),
    /** 0: group; 1: transaction; 2: share group. */
    keyType: int8({ since: 1, absent: 0 }),
    /** Several at once, instead of `key` (KIP-699). */
    coordinatorKeys: array(string(), { since: 4, absent: [] }),
  },
);
export type FindCoordinatorRequest = MessageType<typeof findCoordinatorRequest>;

export const findCoordinatorResponse = message(
  { ...api, name: "FindCoordinatorResponse" },
  {
    throttleTimeMs: int32({ since: 1, absent: 0 }),
    errorCode: errorCode({ until: 3, absent: "NONE" }),
    errorMessage: nullableErrorMessage({ since: 1, until: 3, absent: "" }),
    nodeId: int32({ until: 3, absent: 0 }),
    host: string({ until: 3, absent: "" }),
    port: int32({ until: 3, absent: 0 }),
    /** One per key asked for; before version 4 the single answer is in the fields above. */
    coordinators: array(
      struct({
        key: string(),
        nodeId: int32(),
        host: string(),
        port: int32(),
        errorCode: errorCode(),
        errorMessage: nullableErrorMessage(),
      }),
      { since: 4, absent: [] },
    ),
  },
);
export type FindCoordinatorResponse = MessageType<typeof findCoordinatorResponse>;
