import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int16, int32, int64, saturatedInt64, string } from "../schema/primitives.ts";

const api = { apiKey: 26, versions: [0, 5], flexibleSince: 3 } as const;

/** From here on the client speaks transaction version 2 (KIP-890): the epoch rises with every transaction. */
export const raisedEpochVersion = 5;

export const endTxnRequest = message(
  { ...api, name: "EndTxnRequest" },
  {
    transactionalId: string(),
    producerId: saturatedInt64(),
    producerEpoch: int16(),
    /** False: aborted. */
    committed: bool(),
  },
);
export type EndTxnRequest = MessageType<typeof endTxnRequest>;

export const endTxnResponse = message(
  { ...api, name: "EndTxnResponse" },
  {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    /** With what the next transaction is written. */
    producerId: int64({ since: raisedEpochVersion, absent: -1 }),
    producerEpoch: int16({ since: raisedEpochVersion, absent: -1 }),
  },
);
export type EndTxnResponse = MessageType<typeof endTxnResponse>;
