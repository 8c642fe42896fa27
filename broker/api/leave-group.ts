import {
  type LeaveGroupRequest,
  type LeaveGroupResponse,
  leaveGroupRequest,
  leaveGroupResponse,
} from "../../protocol/messages/leave-group.ts";
import type { Left } from "../group/classic/leave.ts";
import type { Api } from "./api.ts";
import { type GroupService, memberError } from "./group-context.ts";

/**
 * Behavior: takes members out of a classic group at once, instead of at the end of their sessions. Static members may be named by their instance alone.
 * Version notes: one member before 3, whose error is the answer's; several from then on, each with its own (KIP-345).
 */
export function leaveGroupApi(groups: Pick<GroupService, "run">): Api<LeaveGroupRequest, LeaveGroupResponse> {
  return {
    request: leaveGroupRequest,
    response: leaveGroupResponse,
    async handle({ groupId, memberId, members }, { apiVersion }) {
      const isSingle = apiVersion < 3;
      const leavers = isSingle
        ? [{ memberId, groupInstanceId: null }]
        : members.map((one) => ({ memberId: one.memberId, groupInstanceId: one.groupInstanceId }));
      const ran = await groups.run<readonly Left[]>(groupId, (machine, now) => machine.classic.leave(groupId, leavers, now));
      if (ran.error !== null) return { throttleTimeMs: 0, errorCode: memberError(ran.error), members: [] };
      const errorCode = isSingle ? (ran.value[0]?.errorCode ?? "NONE") : "NONE";
      return { throttleTimeMs: 0, errorCode, members: ran.value };
    },
  };
}
