import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type DeleteGroupsRequest,
  type DeleteGroupsResponse,
  deleteGroupsRequest,
  deleteGroupsResponse,
} from "../../protocol/messages/delete-groups.ts";
import { PositionBytes } from "../group/group-records.ts";
import type { GroupDeletion } from "../group/offset-requests.ts";
import { AppendRoom } from "../state-machine/append-room.ts";
import type { Ran } from "../state-machine/ticket.ts";
import type { Api, RequestContext } from "./api.ts";
import { type GroupService, memberError } from "./group-context.ts";
import { answerEach } from "./request-meter.ts";
import { sliceMax, sliceMaxBytes } from "./slices.ts";

/**
 * Behavior: deletes groups without members, of whatever kind, and everything they have committed; also what was committed under an empty
 * group id. A group that has committed very much is deleted in slices, its positions first: a member that joins in between keeps the group,
 * with the positions that are left, and the answer is NON_EMPTY_GROUP.
 */
export function deleteGroupsApi(
  groups: Pick<GroupService, "runEvenUnnamed">,
  room = new AppendRoom(),
): Api<DeleteGroupsRequest, DeleteGroupsResponse> {
  const removeSome = async (groupId: string, { meter, origin }: RequestContext, begun: boolean): Promise<Ran<GroupDeletion>> => {
    const eachBytes = new PositionBytes(groupId).of(longestTopicName);
    const positionsMax = Math.min(sliceMax, Math.max(1, Math.floor(sliceMaxBytes / eachBytes)));
    // a single slice does not wait for others
    const bytes = begun ? positionsMax * eachBytes : 0;
    const entered = room.enter(bytes);
    if (entered !== null) await entered;
    try {
      if (begun) meter.checkAwaited();
      return await groups.runEvenUnnamed<GroupDeletion>(groupId, (machine) => machine.deleteGroup(groupId, positionsMax), origin);
    } finally {
      room.leave(bytes);
    }
  };
  const remove = async (groupId: string, context: RequestContext): Promise<KafkaErrorCode> => {
    for (let begun = false; ; begun = true) {
      const ran = await removeSome(groupId, context, begun);
      if (ran.error !== null) return memberError(ran.error);
      const { errorCode, isDone } = ran.value;
      // the rest was deleted by others
      if (begun && errorCode === "GROUP_ID_NOT_FOUND") return "NONE";
      if (isDone) return errorCode;
      await context.meter.pause();
    }
  };
  return {
    request: deleteGroupsRequest,
    response: deleteGroupsResponse,
    async handle({ groupsNames }, context) {
      const answers = await answerEach(new Set(groupsNames), context.meter, async (groupId) => ({
        groupId,
        errorCode: await remove(groupId, context),
      }));
      return { throttleTimeMs: 0, results: answers };
    },
  };
}

const longestTopicName = "t".repeat(249);
