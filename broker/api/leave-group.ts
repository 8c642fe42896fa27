import {
  type LeaveGroupRequest,
  type LeaveGroupResponse,
  leaveGroupRequest,
  leaveGroupResponse,
} from "../../protocol/messages/leave-group.ts";
import type { Left } from "../group/classic/classic-groups.ts";
import type { Api } from "./api.ts";
import { type GroupService, memberError } from "./group-context.ts";
import { inTurns, slicesOf } from "./slices.ts";

/**
 * Behavior: removes members from a classic group at once, instead of at the end of their sessions. Static members may be named by their
 * instance alone. Many leave in slices (see `inTurns`): the rest of the group prepares its rebalance when the first ones are gone, and
 * waits for those who are about to leave only until they have left.
 * Version notes: one member before 3, whose error is that of the response; several from then on, each with its own error (KIP-345).
 */
export function leaveGroupApi(groups: Pick<GroupService, "run">): Api<LeaveGroupRequest, LeaveGroupResponse> {
  return {
    request: leaveGroupRequest,
    response: leaveGroupResponse,
    async handle({ groupId, memberId, members }, { apiVersion, meter, origin }) {
      const isSingle = apiVersion < 3;
      const leavers = isSingle
        ? [{ memberId, groupInstanceId: null }]
        : members.map((one) => ({ memberId: one.memberId, groupInstanceId: one.groupInstanceId }));
      const slices = await inTurns(slicesOf(leavers), { meter }, ({ items }) =>
        groups.run<readonly Left[]>(groupId, (machine, now) => machine.classic.leave(groupId, items, now), origin),
      );
      const left: (readonly Left[])[] = [];
      for (const ran of slices) {
        if (ran.error !== null) return { throttleTimeMs: 0, errorCode: memberError(ran.error), members: [] };
        left.push(ran.value);
      }
      const errorCode = isSingle ? (left[0]?.[0]?.errorCode ?? "NONE") : "NONE";
      return { throttleTimeMs: 0, errorCode, members: left.flat() };
    },
  };
}
