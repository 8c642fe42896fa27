import {
  type DescribeGroupsRequest,
  type DescribeGroupsResponse,
  describeGroupsRequest,
  describeGroupsResponse,
} from "../../protocol/messages/describe-groups.ts";
import { type DescribedGroup, undescribedGroup } from "../group/classic/describe-classic-group.ts";
import { answered } from "../state-machine/contract.ts";
import type { Api } from "./api.ts";
import { allGroupOperations, operationsNotAsked } from "./authorized-operations.ts";
import { type GroupService, memberError } from "./group-context.ts";
import { answerEach } from "./request-meter.ts";

/**
 * Behavior: state and members of classic groups. A group that does not exist is Dead, without an error. Metadata and assignments only of a
 * stable group. Our own clients ask whom a rebalance waits for, and since when. An empty group id is allowed: offsets may be kept under it.
 * Version notes: authorized operations since 3, static members' instances since 4.
 */
export function describeGroupsApi(groups: Pick<GroupService, "runEvenUnnamed">): Api<DescribeGroupsRequest, DescribeGroupsResponse> {
  return {
    request: describeGroupsRequest,
    response: describeGroupsResponse,
    async handle({ groups: wanted, includeAuthorizedOperations, includeRebalance }, { meter }) {
      const authorizedOperations = includeAuthorizedOperations ? allGroupOperations : operationsNotAsked;
      const described = await answerEach(new Set(wanted), meter, async (groupId) => {
        const ran = await groups.runEvenUnnamed<DescribedGroup>(groupId, (machine) => answered(machine.classic.describe(groupId)));
        if (ran.error !== null)
          return { groupId, ...undescribedGroup, errorCode: memberError(ran.error), authorizedOperations: operationsNotAsked };
        const group = includeRebalance ? ran.value : withoutRebalance(ran.value);
        return { groupId, ...group, errorCode: "NONE" as const, authorizedOperations };
      });
      return { throttleTimeMs: 0, groups: described };
    },
  };
}

/** For clients that did not ask: what Kafka's answer has. */
function withoutRebalance(group: DescribedGroup): DescribedGroup {
  const members = group.members.map((member) => ({ ...member, isAwaited: false }));
  return { ...group, members, rebalanceSinceMs: -1, newcomers: 0 };
}
