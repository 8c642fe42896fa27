import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int16, int32, int64, nullableString, saturatedInt64 } from "../schema/primitives.ts";

const api = { apiKey: 22, versions: [0, 6], flexibleSince: 2 } as const;

export const initProducerIdRequest = message(
  { ...api, name: "InitProducerIdRequest" },
  {
    /** Null: idempotent only. */
    transactionalId: nullableString(),
    transactionTimeoutMs: int32(),
    /** With `producerEpoch`: what the producer had, to continue with a raised epoch (KIP-360); -1: a new id. */
    producerId: saturatedInt64({ since: 3, absent: -1 }),
    producerEpoch: int16({ since: 3, absent: -1 }),
    /** Two-phase commit led from outside (KIP-939). */
    enable2Pc: bool({ since: 6, absent: false }),
    /** With it: what is open stays so. */
    keepPreparedTxn: bool({ since: 6, absent: false }),
  },
);
export type InitProducerIdRequest = MessageType<typeof initProducerIdRequest>;

export const initProducerIdResponse = message(
  { ...api, name: "InitProducerIdResponse" },
  {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    producerId: int64(),
    producerEpoch: int16(),
    /** The transaction that was kept; -1: none. */
    ongoingTxnProducerId: int64({ since: 6, absent: -1 }),
    ongoingTxnProducerEpoch: int16({ since: 6, absent: -1 }),
  },
);
export type InitProducerIdResponse = MessageType<typeof initProducerIdResponse>;
