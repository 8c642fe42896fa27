import { type JoinGroupRequest, type JoinGroupResponse, joinGroupRequest, joinGroupResponse } from "../../protocol/messages/join-group.ts";
import { type JoinAnswer, joinRefusal } from "../group/classic/classic-group-member.ts";
import type { Ran } from "../state-machine/ticket.ts";
import type { Api, RequestContext } from "./api.ts";
import { clientOf, type GroupService, memberError } from "./group-context.ts";

/**
 * Behavior: adds a member to a classic group, or keeps it there; the answer comes when the group's next generation begins. The leader also
 * gets the members and their metadata.
 * Version notes: a rebalance timeout of its own since 1, before the session timeout is used for both; member ids must be requested first
 * since 4 (KIP-394); static members since 5 (KIP-345); protocol type and a null protocol name since 7; a returning static leader is told to
 * skip the assignment since 9 (KIP-814).
 */
export function joinGroupApi(groups: Pick<GroupService, "run">): Api<JoinGroupRequest, JoinGroupResponse> {
  return {
    request: joinGroupRequest,
    response: joinGroupResponse,
    // the member waits for minutes, and only copies of the request's data are kept: nothing here may hold on to its bytes
    handle(request, context) {
      const { apiVersion, meter } = context;
      const { memberId } = request;
      const joined = join(groups, request, context);
      meter.releaseRequest();
      return joined.then((ran) => joinResponse(ran.error === null ? ran.value : joinRefusal(memberId, memberError(ran.error)), apiVersion));
    },
  };
}

function join(groups: Pick<GroupService, "run">, request: JoinGroupRequest, context: RequestContext): Promise<Ran<JoinAnswer>> {
  const { groupId, memberId, groupInstanceId, protocolType, protocols, sessionTimeoutMs, rebalanceTimeoutMs } = request;
  const joining = {
    ...clientOf(context),
    memberId,
    groupInstanceId,
    protocolType,
    protocols,
    sessionTimeoutMs,
    rebalanceTimeoutMs: rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
    mustKnowItsId: context.apiVersion >= 4,
    canSkipAssignment: context.apiVersion >= 9,
  };
  return groups.run<JoinAnswer>(groupId, (machine, now) => machine.classic.join(groupId, joining, now), context.origin);
}

function joinResponse(answer: JoinAnswer, apiVersion: number): JoinGroupResponse {
  return { throttleTimeMs: 0, ...answer, protocolName: answer.protocolName ?? (apiVersion < 7 ? "" : null) };
}
