import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int8, int32, nullableErrorMessage, nullableString, string } from "../schema/primitives.ts";

const api = { apiKey: 44, versions: [0, 1], flexibleSince: 1 } as const;

export const incrementalAlterConfigsRequest = message(
  { ...api, name: "IncrementalAlterConfigsRequest" },
  {
    resources: array(
      struct({
        /** 2: topic; 4: broker; 8: broker logger. */
        resourceType: int8(),
        resourceName: string(),
        configs: array(
          struct({
            name: string(),
            /** 0: set; 1: delete (back to the default); 2: append to a list; 3: remove from a list. */
            configOperation: int8(),
            value: nullableString(),
          }),
        ),
      }),
    ),
    validateOnly: bool(),
  },
);
export type IncrementalAlterConfigsRequest = MessageType<typeof incrementalAlterConfigsRequest>;

export const incrementalAlterConfigsResponse = message(
  { ...api, name: "IncrementalAlterConfigsResponse" },
  {
    throttleTimeMs: int32(),
    responses: array(
      struct({ errorCode: errorCode(), errorMessage: nullableErrorMessage(), resourceType: int8(), resourceName: string() }),
    ),
  },
);
export type IncrementalAlterConfigsResponse = MessageType<typeof incrementalAlterConfigsResponse>;
