import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import { answered, type Decision, type Now } from "../../state-machine/contract.ts";
import { type Settlement, Ticket } from "../../state-machine/ticket.ts";
import type { ClassicGroup } from "./classic-group.ts";
import { type Member, noBytes, type SyncAnswer, syncRefusal } from "./classic-group-member.ts";
import { type Rebalances, releaseWaits } from "./rebalances.ts";

export interface SyncRequest {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly generationId: number;
  /** Null: not sent (before version 5). */
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  /** From the leader. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[];
}

/**
 * SyncGroup: members wait for their assignment; the leader sends those of all members, which are in the log before any member gets its own.
 */
export function sync(group: ClassicGroup, request: SyncRequest, rebalances: Rebalances, now: Now): Decision<SyncAnswer> {
  const refusal = syncFault(group, request);
  if (refusal !== "NONE") return answered(syncRefusal(refusal));
  const member = group.members.get(request.memberId)!;
  switch (group.state) {
    case "PreparingRebalance":
      return answered(syncRefusal("REBALANCE_IN_PROGRESS"));
    case "CompletingRebalance":
      return group.leaderId === member.memberId
        ? syncLeader(group, member, request, rebalances, now)
        : syncFollower(group, member, rebalances, now);
    case "Stable":
      synced(group, member, rebalances, now);
      return answered(syncedAnswer(group, member));
    default:
      return answered(syncRefusal("UNKNOWN_MEMBER_ID"));
  }
}

function syncFault(group: ClassicGroup, request: SyncRequest): KafkaErrorCode {
  const { memberId, groupInstanceId, generationId, protocolType, protocolName } = request;
  const refusal = group.memberRefusal(memberId, groupInstanceId);
  if (refusal !== null) return refusal;
  if (generationId !== group.generation) return "ILLEGAL_GENERATION";
  const isSame = (said: string | null, ours: string | null) => said === null || said === ours;
  return isSame(protocolType, group.protocolType) && isSame(protocolName, group.protocolName) ? "NONE" : "INCONSISTENT_GROUP_PROTOCOL";
}

function syncFollower(group: ClassicGroup, member: Member, rebalances: Rebalances, now: Now): Decision<SyncAnswer> {
  const givenUp = releaseWaits(group, member, "REBALANCE_IN_PROGRESS");
  const ticket = new Ticket<SyncAnswer>();
  member.awaitingSync = ticket;
  synced(group, member, rebalances, now);
  return { records: [], answer: ticket, settled: givenUp };
}

function syncLeader(group: ClassicGroup, leader: Member, request: SyncRequest, rebalances: Rebalances, now: Now): Decision<SyncAnswer> {
  const assignments = new Map<string, Buffer>();
  for (const { memberId, assignment } of request.assignments) assignments.set(memberId, Buffer.from(assignment));
  if (!group.hasMemoryFor(assignments)) return answered(syncRefusal("COORDINATOR_NOT_AVAILABLE"));
  const ticket = new Ticket<SyncAnswer>();
  const accepted = (): Settlement[] => {
    const settled: Settlement[] = releaseWaits(group, leader, "REBALANCE_IN_PROGRESS");
    leader.awaitingSync = ticket;
    group.enter("Stable", now);
    for (const member of group.members.values()) group.assign(member, assignments.get(member.memberId) ?? noBytes);
    for (const member of group.members.values()) {
      const waiting = member.awaitingSync;
      if (waiting === null) continue;
      member.awaitingSync = null;
      settled.push(waiting.settlement(syncedAnswer(group, member)));
      synced(group, member, rebalances, now);
    }
    return settled;
  };
  return { records: [group.record(now, { assignments })], answer: ticket, accepted };
}

function synced(group: ClassicGroup, member: Member, rebalances: Rebalances, now: Now): void {
  group.pendingSync.delete(member.memberId);
  rebalances.onSynced(group);
  rebalances.keepAlive(group, member, now);
}

function syncedAnswer({ protocolType, protocolName }: ClassicGroup, { assignment }: Member): SyncAnswer {
  return { errorCode: "NONE", protocolType, protocolName, assignment };
}
