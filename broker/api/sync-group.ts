import { type SyncGroupRequest, type SyncGroupResponse, syncGroupRequest, syncGroupResponse } from "../../protocol/messages/sync-group.ts";
import { type SyncAnswer, syncRefusal } from "../group/classic/member.ts";
import type { Api } from "./api.ts";
import { type GroupService, memberError } from "./group-context.ts";

/**
 * Behavior: takes the leader's division of the work into the log, and answers every member its own part of it.
 * Version notes: static members since 3 (KIP-345); from 5 on the protocol must be named, and be the group's (KIP-559).
 */
export function syncGroupApi(groups: Pick<GroupService, "run">): Api<SyncGroupRequest, SyncGroupResponse> {
  const answerFor = async (request: SyncGroupRequest, apiVersion: number): Promise<SyncAnswer> => {
    const { groupId, protocolType, protocolName } = request;
    if (apiVersion >= 5 && (protocolType === null || protocolName === null)) return syncRefusal("INCONSISTENT_GROUP_PROTOCOL");
    const ran = await groups.run<SyncAnswer>(groupId, (machine, now) => machine.classic.sync(groupId, request, now));
    return ran.error === null ? ran.value : syncRefusal(memberError(ran.error));
  };
  return {
    request: syncGroupRequest,
    response: syncGroupResponse,
    handle: async (request, { apiVersion }) => ({ throttleTimeMs: 0, ...(await answerFor(request, apiVersion)) }),
  };
}
