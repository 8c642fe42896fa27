import { type JoinGroupRequest, type JoinGroupResponse, joinGroupRequest, joinGroupResponse } from "../../protocol/messages/join-group.ts";
import { type JoinAnswer, joinRefusal } from "../group/classic/member.ts";
import type { Api } from "./api.ts";
import { clientOf, type GroupService, memberError } from "./group-context.ts";

/**
 * Behavior: puts a member into a classic group, or keeps it there; the answer comes when the group's next generation begins. The leader also gets the members and their metadata.
 * Version notes: a rebalance timeout of its own since 1, before the session timeout counts for both; member ids must be asked for first since 4 (KIP-394); static members since 5 (KIP-345);
 * protocol type and a null protocol name since 7; a returning static leader is told to skip the assignment since 9 (KIP-814).
 */
export function joinGroupApi(groups: Pick<GroupService, "run">): Api<JoinGroupRequest, JoinGroupResponse> {
  return {
    request: joinGroupRequest,
    response: joinGroupResponse,
    async handle(request, context) {
      const { groupId, memberId, groupInstanceId, protocolType, protocols, sessionTimeoutMs, rebalanceTimeoutMs } = request;
      const { apiVersion } = context;
      const joining = {
        ...clientOf(context),
        memberId,
        groupInstanceId,
        protocolType,
        protocols,
        sessionTimeoutMs,
        rebalanceTimeoutMs: rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
        mustKnowItsId: apiVersion >= 4,
        canSkipAssignment: apiVersion >= 9,
      };
      const ran = await groups.run<JoinAnswer>(groupId, (machine, now) => machine.classic.join(groupId, joining, now));
      const answer = ran.error === null ? ran.value : joinRefusal(memberId, memberError(ran.error));
      const protocolName = answer.protocolName ?? (apiVersion < 7 ? "" : null);
      return { throttleTimeMs: 0, ...answer, protocolName };
    },
  };
}
