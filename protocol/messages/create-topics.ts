import { zeroTopicId } from "../base/ids.ts";
import { array, nullableArray, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int8, int16, int32, nullableErrorMessage, nullableString, string, uuid } from "../schema/primitives.ts";

const api = { apiKey: 19, versions: [0, 7], flexibleSince: 5 } as const;

export const createTopicsRequest = message(
  { ...api, name: "CreateTopicsRequest" },
  {
    topics: array(
      struct({
        name: string(),
        /** -1: the broker's default, or as many as `assignments` has. */
        numPartitions: int32(),
        /** -1: the broker's default, or as `assignments` has it. */
        replicationFactor: int16(),
        assignments: array(struct({ partitionIndex: int32(), brokerIds: array(int32()) })),
        configs: array(struct({ name: string(), value: nullableString() })),
      }),
    ),
    timeoutMs: int32(),
    /** Only check and answer, create nothing. */
    validateOnly: bool({ since: 1, absent: false }),
  },
);
export type CreateTopicsRequest = MessageType<typeof createTopicsRequest>;

export const createTopicsResponse = message(
  { ...api, name: "CreateTopicsResponse" },
  {
    throttleTimeMs: int32({ since: 2, absent: 0 }),
    topics: array(
      struct({
        name: string(),
        topicId: uuid({ since: 7, absent: zeroTopicId }),
        errorCode: errorCode(),
        errorMessage: nullableErrorMessage({ since: 1, absent: "" }),
        /** Why `configs` is null. */
        topicConfigErrorCode: errorCode({ since: 5, tag: 0, absent: "NONE" }),
        numPartitions: int32({ since: 5, absent: -1 }),
        replicationFactor: int16({ since: 5, absent: -1 }),
        configs: nullableArray(
          struct({
            name: string(),
            value: nullableString(),
            readOnly: bool(),
            /** 1 topic, 2 dynamic broker, 3 dynamic default of all brokers, 4 static broker, 5 built-in default. */
            configSource: int8(),
            isSensitive: bool(),
          }),
          { since: 5, absent: [] },
        ),
      }),
    ),
  },
);
export type CreateTopicsResponse = MessageType<typeof createTopicsResponse>;
