import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int16, int32, saturatedInt64, string } from "../schema/primitives.ts";

const api = { apiKey: 25, versions: [0, 4], flexibleSince: 3 } as const;

export const addOffsetsToTxnRequest = message(
  { ...api, name: "AddOffsetsToTxnRequest" },
  { transactionalId: string(), producerId: saturatedInt64(), producerEpoch: int16(), groupId: string() },
);
export type AddOffsetsToTxnRequest = MessageType<typeof addOffsetsToTxnRequest>;

export const addOffsetsToTxnResponse = message(
  { ...api, name: "AddOffsetsToTxnResponse" },
  { throttleTimeMs: int32(), errorCode: errorCode() },
);
export type AddOffsetsToTxnResponse = MessageType<typeof addOffsetsToTxnResponse>;
