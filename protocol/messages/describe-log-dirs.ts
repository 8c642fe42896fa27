import { array, nullableArray, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int32, int64, string } from "../schema/primitives.ts";

const api = { apiKey: 35, versions: [0, 4], flexibleSince: 2 } as const;

export const describeLogDirsRequest = message(
  { ...api, name: "DescribeLogDirsRequest" },
  {
    /** Null: all. */
    topics: nullableArray(struct({ topic: string(), partitions: array(int32()) })),
  },
);
export type DescribeLogDirsRequest = MessageType<typeof describeLogDirsRequest>;

export const describeLogDirsResponse = message(
  { ...api, name: "DescribeLogDirsResponse" },
  {
    throttleTimeMs: int32(),
    errorCode: errorCode({ since: 3, absent: "NONE" }),
    results: array(
      struct({
        errorCode: errorCode(),
        logDir: string(),
        topics: array(
          struct({
            name: string(),
            partitions: array(
              struct({
                partitionIndex: int32(),
                partitionSize: int64(),
                /** How far the log end offset is behind the high watermark or, for a copy that is being made, behind the end of the log. */
                offsetLag: int64(),
                isFutureKey: bool(),
              }),
            ),
          }),
        ),
        /** Of the file system. */
        totalBytes: int64({ since: 4, absent: -1 }),
        usableBytes: int64({ since: 4, absent: -1 }),
      }),
    ),
  },
);
export type DescribeLogDirsResponse = MessageType<typeof describeLogDirsResponse>;
