import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int16, int32, int64, string } from "../schema/primitives.ts";

const api = { apiKey: 65, versions: [0, 0], flexibleSince: 0 } as const;

export const describeTransactionsRequest = message({ ...api, name: "DescribeTransactionsRequest" }, { transactionalIds: array(string()) });
export type DescribeTransactionsRequest = MessageType<typeof describeTransactionsRequest>;

export const describeTransactionsResponse = message(
  { ...api, name: "DescribeTransactionsResponse" },
  {
    throttleTimeMs: int32(),
    transactionStates: array(
      struct({
        errorCode: errorCode(),
        transactionalId: string(),
        transactionState: string(),
        transactionTimeoutMs: int32(),
        /** -1: no transaction is open. */
        transactionStartTimeMs: int64(),
        producerId: int64(),
        producerEpoch: int16(),
        /** While it is ended: those that have no marker yet. */
        topics: array(struct({ topic: string(), partitions: array(int32()) })),
      }),
    ),
  },
);
export type DescribeTransactionsResponse = MessageType<typeof describeTransactionsResponse>;
