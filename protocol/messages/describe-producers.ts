import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int32, int64, nullableErrorMessage, string } from "../schema/primitives.ts";

const api = { apiKey: 61, versions: [0, 0], flexibleSince: 0 } as const;

export const describeProducersRequest = message(
  { ...api, name: "DescribeProducersRequest" },
  { topics: array(struct({ name: string(), partitionIndexes: array(int32()) })) },
);
export type DescribeProducersRequest = MessageType<typeof describeProducersRequest>;

export const describeProducersResponse = message(
  { ...api, name: "DescribeProducersResponse" },
  {
    throttleTimeMs: int32(),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: errorCode(),
            errorMessage: nullableErrorMessage(),
            activeProducers: array(
              struct({
                producerId: int64(),
                producerEpoch: int32(),
                lastSequence: int32(),
                lastTimestamp: int64(),
                coordinatorEpoch: int32(),
                /** -1: no transaction is open. */
                currentTxnStartOffset: int64(),
              }),
            ),
          }),
        ),
      }),
    ),
  },
);
export type DescribeProducersResponse = MessageType<typeof describeProducersResponse>;
