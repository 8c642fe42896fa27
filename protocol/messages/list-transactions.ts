import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int32, int64, nullableString, saturatedInt64, string } from "../schema/primitives.ts";

const api = { apiKey: 66, versions: [0, 2], flexibleSince: 0 } as const;

export const listTransactionsRequest = message(
  { ...api, name: "ListTransactionsRequest" },
  {
    /** Empty: any state. */
    stateFilters: array(string()),
    /** Empty: any producer. */
    producerIdFilters: array(saturatedInt64()),
    /** Only those open for longer than this; negative: all. */
    durationFilter: saturatedInt64({ since: 1, absent: -1 }),
    /** Null or empty: any id. */
    transactionalIdPattern: nullableString({ since: 2, absent: null }),
  },
);
export type ListTransactionsRequest = MessageType<typeof listTransactionsRequest>;

export const listTransactionsResponse = message(
  { ...api, name: "ListTransactionsResponse" },
  {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    unknownStateFilters: array(string()),
    transactionStates: array(struct({ transactionalId: string(), producerId: int64(), transactionState: string() })),
  },
);
export type ListTransactionsResponse = MessageType<typeof listTransactionsResponse>;
