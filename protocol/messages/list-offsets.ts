import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int8, int32, int64, saturatedInt64, string } from "../schema/primitives.ts";

const api = { apiKey: 2, versions: [0, 9], flexibleSince: 6 } as const;

export const listOffsetsRequest = message(
  { ...api, name: "ListOffsetsRequest" },
  {
    /** -1: a consumer; -2: a tool that may see past the high watermark. */
    replicaId: int32(),
    /** 0: the latest offset is the high watermark; 1: the last stable offset. */
    isolationLevel: int8({ since: 2, absent: 0 }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            currentLeaderEpoch: int32({ since: 4, absent: -1 }),
            /**
             * -1: latest; -2: earliest; -3: that of the largest timestamp (7 on); -4: earliest local (8 on); -5: last tiered (9 on);
             * otherwise milliseconds.
             */
            timestamp: saturatedInt64(),
            maxNumOffsets: int32({ until: 0, absent: 1 }),
          }),
        ),
      }),
    ),
  },
);
export type ListOffsetsRequest = MessageType<typeof listOffsetsRequest>;

export const listOffsetsResponse = message(
  { ...api, name: "ListOffsetsResponse" },
  {
    throttleTimeMs: int32({ since: 2, absent: 0 }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: errorCode(),
            /** The newest first; later versions have the next two fields instead. */
            oldStyleOffsets: array(int64(), { until: 0, absent: [] }),
            timestamp: int64({ since: 1, absent: -1 }),
            /** -1: no record is as late as the requested timestamp. */
            offset: int64({ since: 1, absent: -1 }),
            leaderEpoch: int32({ since: 4, absent: -1 }),
          }),
        ),
      }),
    ),
  },
);
export type ListOffsetsResponse = MessageType<typeof listOffsetsResponse>;
