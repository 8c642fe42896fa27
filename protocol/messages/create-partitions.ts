import { array, nullableArray, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int32, nullableErrorMessage, string } from "../schema/primitives.ts";

const api = { apiKey: 37, versions: [0, 3], flexibleSince: 2 } as const;

export const createPartitionsRequest = message(
  { ...api, name: "CreatePartitionsRequest" },
  {
    topics: array(
      struct({
        name: string(),
        /** The new total, not how many to add. */
        count: int32(),
        /** Of the added partitions only; null: the broker chooses. */
        assignments: nullableArray(struct({ brokerIds: array(int32()) })),
      }),
    ),
    timeoutMs: int32(),
    validateOnly: bool(),
  },
);
export type CreatePartitionsRequest = MessageType<typeof createPartitionsRequest>;

export const createPartitionsResponse = message(
  { ...api, name: "CreatePartitionsResponse" },
  { throttleTimeMs: int32(), results: array(struct({ name: string(), errorCode: errorCode(), errorMessage: nullableErrorMessage() })) },
);
export type CreatePartitionsResponse = MessageType<typeof createPartitionsResponse>;
