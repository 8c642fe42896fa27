import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int32, int64, saturatedInt64, string } from "../schema/primitives.ts";

const api = { apiKey: 21, versions: [0, 2], flexibleSince: 2 } as const;

export const deleteRecordsRequest = message(
  { ...api, name: "DeleteRecordsRequest" },
  {
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            /** The first record to keep; -1: delete all that is committed. */
            offset: saturatedInt64(),
          }),
        ),
      }),
    ),
    timeoutMs: int32(),
  },
);
export type DeleteRecordsRequest = MessageType<typeof deleteRecordsRequest>;

export const deleteRecordsResponse = message(
  { ...api, name: "DeleteRecordsResponse" },
  {
    throttleTimeMs: int32(),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            /** No live replica has a record below it; -1 with an error. */
            lowWatermark: int64(),
            errorCode: errorCode(),
          }),
        ),
      }),
    ),
  },
);
export type DeleteRecordsResponse = MessageType<typeof deleteRecordsResponse>;
