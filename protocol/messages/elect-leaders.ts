import { array, nullableArray, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int8, int32, nullableErrorMessage, string } from "../schema/primitives.ts";

const api = { apiKey: 43, versions: [0, 2], flexibleSince: 2 } as const;

export const electLeadersRequest = message(
  { ...api, name: "ElectLeadersRequest" },
  {
    /** 0: the preferred replica; 1: unclean, any live replica. */
    electionType: int8({ since: 1, absent: 0 }),
    /** Null: every partition. */
    topicPartitions: nullableArray(struct({ topic: string(), partitions: array(int32()) })),
    timeoutMs: int32(),
  },
);
export type ElectLeadersRequest = MessageType<typeof electLeadersRequest>;

export const electLeadersResponse = message(
  { ...api, name: "ElectLeadersResponse" },
  {
    throttleTimeMs: int32(),
    errorCode: errorCode({ since: 1, absent: "NONE" }),
    replicaElectionResults: array(
      struct({
        topic: string(),
        partitionResult: array(struct({ partitionId: int32(), errorCode: errorCode(), errorMessage: nullableErrorMessage() })),
      }),
    ),
  },
);
export type ElectLeadersResponse = MessageType<typeof electLeadersResponse>;
