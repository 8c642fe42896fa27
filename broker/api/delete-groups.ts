import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type DeleteGroupsRequest,
  type DeleteGroupsResponse,
  deleteGroupsRequest,
  deleteGroupsResponse,
} from "../../protocol/messages/delete-groups.ts";
import type { Api } from "./api.ts";
import { type GroupService, memberError } from "./group-context.ts";
import { answerEach } from "./request-meter.ts";

/** Behavior: forgets groups without members, of whatever kind, and everything they have committed; also what was committed under an empty group id. */
export function deleteGroupsApi(groups: Pick<GroupService, "runEvenUnnamed">): Api<DeleteGroupsRequest, DeleteGroupsResponse> {
  return {
    request: deleteGroupsRequest,
    response: deleteGroupsResponse,
    async handle({ groupsNames }, { meter }) {
      const results = await answerEach(new Set(groupsNames), meter, async (groupId) => {
        const ran = await groups.runEvenUnnamed<KafkaErrorCode>(groupId, (machine) => machine.deleteGroup(groupId));
        return { groupId, errorCode: ran.error === null ? ran.value : memberError(ran.error) };
      });
      return { throttleTimeMs: 0, results };
    },
  };
}
