import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int8, int32, nullableErrorMessage, nullableString, string } from "../schema/primitives.ts";

const api = { apiKey: 33, versions: [0, 2], flexibleSince: 2 } as const;

export const alterConfigsRequest = message(
  { ...api, name: "AlterConfigsRequest" },
  {
    resources: array(
      struct({
        /** 2: topic; 4: broker. */
        resourceType: int8(),
        resourceName: string(),
        /** All settings that the resource will have. */
        configs: array(struct({ name: string(), value: nullableString() })),
      }),
    ),
    validateOnly: bool(),
  },
);
export type AlterConfigsRequest = MessageType<typeof alterConfigsRequest>;

export const alterConfigsResponse = message(
  { ...api, name: "AlterConfigsResponse" },
  {
    throttleTimeMs: int32(),
    responses: array(
      struct({ errorCode: errorCode(), errorMessage: nullableErrorMessage(), resourceType: int8(), resourceName: string() }),
    ),
  },
);
export type AlterConfigsResponse = MessageType<typeof alterConfigsResponse>;
