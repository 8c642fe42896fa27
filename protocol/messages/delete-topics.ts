import { zeroTopicId } from "../base/ids.ts";
import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int32, nullableErrorMessage, nullableString, string, uuid } from "../schema/primitives.ts";

const api = { apiKey: 20, versions: [0, 6], flexibleSince: 4 } as const;

export const deleteTopicsRequest = message(
  { ...api, name: "DeleteTopicsRequest" },
  {
    topics: array(
      struct({
        /** Null when the topic is named by id; exactly one of both is set. */
        name: nullableString(),
        topicId: uuid(),
      }),
      { since: 6, absent: [] },
    ),
    /** What versions before 6 have instead of `topics`. */
    topicNames: array(string(), { until: 5, absent: [] }),
    timeoutMs: int32(),
  },
);
export type DeleteTopicsRequest = MessageType<typeof deleteTopicsRequest>;

export const deleteTopicsResponse = message(
  { ...api, name: "DeleteTopicsResponse" },
  {
    throttleTimeMs: int32({ since: 1, absent: 0 }),
    responses: array(
      struct({
        name: nullableString({ nullableSince: 6 }),
        topicId: uuid({ since: 6, absent: zeroTopicId }),
        errorCode: errorCode(),
        errorMessage: nullableErrorMessage({ since: 5, absent: null }),
      }),
    ),
  },
);
export type DeleteTopicsResponse = MessageType<typeof deleteTopicsResponse>;
