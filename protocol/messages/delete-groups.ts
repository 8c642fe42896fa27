import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { errorCode, int32, string } from "../schema/primitives.ts";

const api = { apiKey: 42, versions: [0, 2], flexibleSince: 2 } as const;

export const deleteGroupsRequest = message({ ...api, name: "DeleteGroupsRequest" }, { groupsNames: array(string()) });
export type DeleteGroupsRequest = MessageType<typeof deleteGroupsRequest>;

export const deleteGroupsResponse = message(
  { ...api, name: "DeleteGroupsResponse" },
  { throttleTimeMs: int32(), results: array(struct({ groupId: string(), errorCode: errorCode() })) },
);
export type DeleteGroupsResponse = MessageType<typeof deleteGroupsResponse>;
