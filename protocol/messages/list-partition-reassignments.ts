import { array, nullableArray, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int32, nullableErrorMessage, string } from "../schema/primitives.ts";

const api = { apiKey: 46, versions: [0, 0], flexibleSince: 0 } as const;

export const listPartitionReassignmentsRequest = message(
  { ...api, name: "ListPartitionReassignmentsRequest" },
  {
    timeoutMs: int32(),
    /** Null: all that are under way. */
    topics: nullableArray(struct({ name: string(), partitionIndexes: array(int32()) })),
  },
);
export type ListPartitionReassignmentsRequest = MessageType<typeof listPartitionReassignmentsRequest>;

export const listPartitionReassignmentsResponse = message(
  { ...api, name: "ListPartitionReassignmentsResponse" },
  {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    errorMessage: nullableErrorMessage(),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            /** All that there are now: those that are wanted, then those being removed. */
            replicas: array(int32()),
            addingReplicas: array(int32()),
            removingReplicas: array(int32()),
          }),
        ),
      }),
    ),
  },
);
export type ListPartitionReassignmentsResponse = MessageType<typeof listPartitionReassignmentsResponse>;
