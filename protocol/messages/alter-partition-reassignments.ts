import { array, nullableArray, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int32, nullableErrorMessage, string } from "../schema/primitives.ts";

const api = { apiKey: 45, versions: [0, 1], flexibleSince: 0 } as const;

export const alterPartitionReassignmentsRequest = message(
  { ...api, name: "AlterPartitionReassignmentsRequest" },
  {
    timeoutMs: int32(),
    allowReplicationFactorChange: bool({ since: 1, absent: true }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            /** The preferred leader first; null: the reassignment that is under way is cancelled. */
            replicas: nullableArray(int32()),
          }),
        ),
      }),
    ),
  },
);
export type AlterPartitionReassignmentsRequest = MessageType<typeof alterPartitionReassignmentsRequest>;

export const alterPartitionReassignmentsResponse = message(
  { ...api, name: "AlterPartitionReassignmentsResponse" },
  {
    throttleTimeMs: int32(),
    allowReplicationFactorChange: bool({ since: 1, absent: true }),
    errorCode: errorCode(),
    errorMessage: nullableErrorMessage(),
    responses: array(
      struct({
        name: string(),
        partitions: array(struct({ partitionIndex: int32(), errorCode: errorCode(), errorMessage: nullableErrorMessage() })),
      }),
    ),
  },
);
export type AlterPartitionReassignmentsResponse = MessageType<typeof alterPartitionReassignmentsResponse>;
