import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int8, int16, int32, int64, saturatedInt64, string } from "../schema/primitives.ts";

const api = { apiKey: 27, versions: [0, 2], flexibleSince: 1 } as const;

export const writeTxnMarkersRequest = message(
  { ...api, name: "WriteTxnMarkersRequest" },
  {
    markers: array(
      struct({
        producerId: saturatedInt64(),
        producerEpoch: int16(),
        /** False: aborted. */
        transactionResult: bool(),
        topics: array(struct({ name: string(), partitionIndexes: array(int32()) })),
        coordinatorEpoch: int32(),
        /** Rules by which the transaction was written (KIP-1228): from 2 on its marker has an epoch of its own. */
        transactionVersion: int8({ since: 2, absent: 0 }),
      }),
    ),
  },
);
export type WriteTxnMarkersRequest = MessageType<typeof writeTxnMarkersRequest>;

export const writeTxnMarkersResponse = message(
  { ...api, name: "WriteTxnMarkersResponse" },
  {
    markers: array(
      struct({
        producerId: int64(),
        topics: array(struct({ name: string(), partitions: array(struct({ partitionIndex: int32(), errorCode: errorCode() })) })),
      }),
    ),
  },
);
export type WriteTxnMarkersResponse = MessageType<typeof writeTxnMarkersResponse>;
