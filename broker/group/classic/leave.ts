import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import { answered, type Decision, type Now, type ShardTimers } from "../../state-machine/contract.ts";
import type { Settlement } from "../../state-machine/ticket.ts";
import type { ClassicGroup } from "./classic-group.ts";
import { memberTimer, type Rebalances, withSettled } from "./rebalances.ts";

/** Who leaves: by member id, or a static member by its instance alone (an administrator takes it out). */
export interface Leaver {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
}

export interface Left extends Leaver {
  readonly errorCode: KafkaErrorCode;
}

export interface LeaveParts {
  readonly timers: ShardTimers;
  readonly rebalances: Rebalances;
}

/** Takes all of them out, and then prepares one rebalance for what is left. */
export function leave(group: ClassicGroup, leavers: readonly Leaver[], parts: LeaveParts, now: Now): Decision<readonly Left[]> {
  const settled: Settlement[] = [];
  let isChanged = false;
  const left = leavers.map((leaver): Left => {
    const memberId = memberOf(group, leaver);
    if (memberId === null && group.removePending(leaver.memberId)) {
      parts.timers.cancel(memberTimer(group, leaver.memberId));
      isChanged = true;
      return { ...leaver, errorCode: "NONE" };
    }
    const refusal = memberId === null ? "UNKNOWN_MEMBER_ID" : group.memberRefusal(memberId, leaver.groupInstanceId);
    if (memberId === null || refusal !== null) return { ...leaver, errorCode: refusal ?? "UNKNOWN_MEMBER_ID" };
    settled.push(...parts.rebalances.remove(group, memberId, "UNKNOWN_MEMBER_ID"));
    isChanged = true;
    return { ...leaver, errorCode: "NONE" };
  });
  if (!isChanged) return answered(left);
  return withSettled<readonly Left[]>(settled, { ...parts.rebalances.onRemoved(group, now), answer: left });
}

/** Null: no member of that id, or of that instance. A fenced one is its id's, not its instance's. */
function memberOf(group: ClassicGroup, { memberId, groupInstanceId }: Leaver): string | null {
  if (memberId === "" && groupInstanceId !== null) return group.staticMember(groupInstanceId)?.memberId ?? null;
  if (groupInstanceId !== null) return group.staticMember(groupInstanceId) === null ? null : memberId;
  return group.members.has(memberId) ? memberId : null;
}
