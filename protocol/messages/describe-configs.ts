import { array, nullableArray, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int8, int32, nullableErrorMessage, nullableString, string } from "../schema/primitives.ts";

const api = { apiKey: 32, versions: [0, 4], flexibleSince: 4 } as const;

export const describeConfigsRequest = message(
  { ...api, name: "DescribeConfigsRequest" },
  {
    resources: array(
      struct({
        /** 2: topic; 4: broker; 8: broker logger. */
        resourceType: int8(),
        resourceName: string(),
        /** Null: all of them. */
        configurationKeys: nullableArray(string()),
      }),
    ),
    includeSynonyms: bool({ since: 1, absent: false }),
    includeDocumentation: bool({ since: 3, absent: false }),
  },
);
export type DescribeConfigsRequest = MessageType<typeof describeConfigsRequest>;

export const describeConfigsResponse = message(
  { ...api, name: "DescribeConfigsResponse" },
  {
    throttleTimeMs: int32(),
    results: array(
      struct({
        errorCode: errorCode(),
        errorMessage: nullableErrorMessage(),
        resourceType: int8(),
        resourceName: string(),
        configs: array(
          struct({
            name: string(),
            /** Null if the value is a secret. */
            value: nullableString(),
            readOnly: bool(),
            /** Replaced by `configSource` from version 1 on. */
            isDefault: bool({ until: 0, absent: false }),
            /** 1 topic, 2 dynamic broker, 3 dynamic default of all brokers, 4 static broker, 5 built-in default. */
            configSource: int8({ since: 1, absent: -1 }),
            isSensitive: bool(),
            /** Where else the value could come from, the effective one first. */
            synonyms: array(struct({ name: string(), value: nullableString(), source: int8() }), { since: 1, absent: [] }),
            /** 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password. */
            configType: int8({ since: 3, absent: 0 }),
            documentation: nullableString({ since: 3, absent: "" }),
          }),
        ),
      }),
    ),
  },
);
export type DescribeConfigsResponse = MessageType<typeof describeConfigsResponse>;
