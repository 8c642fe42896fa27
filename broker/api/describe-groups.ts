import {
  type DescribeGroupsRequest,
  type DescribeGroupsResponse,
  describeGroupsRequest,
  describeGroupsResponse,
} from "../../protocol/messages/describe-groups.ts";
import type { DescribedGroup } from "../group/classic/classic-groups.ts";
import { answered } from "../state-machine/contract.ts";
import type { Api } from "./api.ts";
import { allGroupOperations, operationsNotAsked } from "./authorized-operations.ts";
import { type GroupService, memberError } from "./group-context.ts";
import { answerEach } from "./request-meter.ts";

const unknown: DescribedGroup = { groupState: "", protocolType: "", protocolData: "", members: [] };

/**
 * Behavior: state and members of classic groups. A group that does not exist is Dead, without an error. Metadata and assignments only of a
 * stable group. An empty group id is allowed: offsets may be kept under it.
 * Version notes: authorized operations since 3, static members' instances since 4.
 */
export function describeGroupsApi(groups: Pick<GroupService, "runEvenUnnamed">): Api<DescribeGroupsRequest, DescribeGroupsResponse> {
  return {
    request: describeGroupsRequest,
    response: describeGroupsResponse,
    async handle({ groups: wanted, includeAuthorizedOperations }, { meter }) {
      const authorizedOperations = includeAuthorizedOperations ? allGroupOperations : operationsNotAsked;
      const described = await answerEach(new Set(wanted), meter, async (groupId) => {
        const ran = await groups.runEvenUnnamed<DescribedGroup>(groupId, (machine) => answered(machine.classic.describe(groupId)));
        if (ran.error !== null) return { groupId, ...unknown, errorCode: memberError(ran.error), authorizedOperations: operationsNotAsked };
        return { groupId, ...ran.value, errorCode: "NONE" as const, authorizedOperations };
      });
      return { throttleTimeMs: 0, groups: described };
    },
  };
}
