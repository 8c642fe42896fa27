import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int32, nullableString, string } from "../schema/primitives.ts";

const api = { apiKey: 12, versions: [0, 4], flexibleSince: 4 } as const;

export const heartbeatRequest = message(
  { ...api, name: "HeartbeatRequest" },
  { groupId: string(), generationId: int32(), memberId: string(), groupInstanceId: nullableString({ since: 3, absent: null }) },
);
export type HeartbeatRequest = MessageType<typeof heartbeatRequest>;

export const heartbeatResponse = message(
  { ...api, name: "HeartbeatResponse" },
  { throttleTimeMs: int32({ since: 1, absent: 0 }), errorCode: errorCode() },
);
export type HeartbeatResponse = MessageType<typeof heartbeatResponse>;
