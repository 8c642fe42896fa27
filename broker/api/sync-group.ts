import { type SyncGroupRequest, type SyncGroupResponse, syncGroupRequest, syncGroupResponse } from "../../protocol/messages/sync-group.ts";
import { type SyncAnswer, syncRefusal } from "../group/classic/classic-group-member.ts";
import type { Ran } from "../state-machine/ticket.ts";
import type { Api, RequestContext } from "./api.ts";
import { type GroupService, memberError } from "./group-context.ts";

/**
 * Behavior: writes the leader's assignment to the log, and answers every member its own part of it.
 * Version notes: static members since 3 (KIP-345); from 5 on the protocol must be named, and be the group's (KIP-559).
 */
export function syncGroupApi(groups: Pick<GroupService, "run">): Api<SyncGroupRequest, SyncGroupResponse> {
  const begin = (request: SyncGroupRequest, { apiVersion, origin }: RequestContext): Promise<Ran<SyncAnswer>> => {
    const { groupId, protocolType, protocolName } = request;
    if (apiVersion >= 5 && (protocolType === null || protocolName === null))
      return Promise.resolve({ error: null, value: syncRefusal("INCONSISTENT_GROUP_PROTOCOL") });
    return groups.run<SyncAnswer>(groupId, (machine, now) => machine.classic.sync(groupId, request, now), origin);
  };
  return {
    request: syncGroupRequest,
    response: syncGroupResponse,
    // a member waits for its leader, and only copies of the request's data are kept: nothing here may hold on to its bytes
    handle(request, context) {
      const begun = begin(request, context);
      context.meter.releaseRequest();
      return begun.then((ran) => ({ throttleTimeMs: 0, ...(ran.error === null ? ran.value : syncRefusal(memberError(ran.error))) }));
    },
  };
}
