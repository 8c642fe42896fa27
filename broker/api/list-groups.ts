import {
  type ListGroupsRequest,
  type ListGroupsResponse,
  listGroupsRequest,
  listGroupsResponse,
} from "../../protocol/messages/list-groups.ts";
import type { Api } from "./api.ts";
import { type GroupService, memberError } from "./group-context.ts";
import { answerEach } from "./request-meter.ts";

/**
 * Behavior: the groups that this broker coordinates; a client asks every broker. COORDINATOR_LOAD_IN_PROGRESS: there are more, which are
 * still being loaded.
 * Version notes: states, and a filter for them, since 4 (KIP-518); types since 5 (KIP-848). Filters are case-insensitive.
 */
export function listGroupsApi(groups: Pick<GroupService, "listGroups">): Api<ListGroupsRequest, ListGroupsResponse> {
  return {
    request: listGroupsRequest,
    response: listGroupsResponse,
    async handle({ statesFilter, typesFilter }, { meter }) {
      const listed = await groups.listGroups();
      const isWanted = filterOf(statesFilter);
      const isWantedType = filterOf(typesFilter);
      const wanted = listed.groups.filter(({ groupState, groupType }) => isWanted(groupState) && isWantedType(groupType));
      return {
        throttleTimeMs: 0,
        errorCode: listed.error === null ? "NONE" : memberError(listed.error),
        groups: await answerEach(wanted, meter, (group) => group),
      };
    },
  };
}

function filterOf(wanted: readonly string[]): (name: string) => boolean {
  const names = new Set(wanted.map((name) => name.toLowerCase()));
  return (name) => names.size === 0 || names.has(name.toLowerCase());
}
