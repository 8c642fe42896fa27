import type { ClassicGroup } from "./classic-group.ts";
import { type Member, metadataOf, noBytes } from "./classic-group-member.ts";

/** What DescribeGroups returns of a group, authorized operations aside. */
export interface DescribedGroup {
  readonly groupState: string;
  readonly protocolType: string;
  readonly protocolData: string;
  readonly members: readonly DescribedMember[];
  /** Wall clock; -1: the group does not rebalance. */
  readonly rebalanceSinceMs: number;
  /** Clients that were given a member id and have not joined yet. */
  readonly newcomers: number;
}

interface DescribedMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly memberMetadata: Buffer;
  readonly memberAssignment: Buffer;
  /** The rebalance waits for it: to join, or to fetch its assignment. */
  readonly isAwaited: boolean;
}

/** A group of which nothing is known. */
export const undescribedGroup: DescribedGroup = {
  groupState: "",
  protocolType: "",
  protocolData: "",
  members: [],
  rebalanceSinceMs: -1,
  newcomers: 0,
};

/** The description of a group that does not exist. */
export const deadGroup: DescribedGroup = { ...undescribedGroup, groupState: "Dead" };

export function describeClassicGroup(group: ClassicGroup): DescribedGroup {
  const { state, stateName: groupState, protocolType, protocolName, pendingMembers } = group;
  const protocol = state === "Stable" ? protocolName : null;
  const isRebalancing = state === "PreparingRebalance" || state === "CompletingRebalance";
  return {
    groupState,
    protocolType,
    protocolData: protocol ?? "",
    members: [...group.members.values()].map((member) => describeMember(member, protocol, isAwaited(group, member))),
    rebalanceSinceMs: isRebalancing ? group.stateSinceMs : -1,
    newcomers: pendingMembers.size,
  };
}

function isAwaited({ state, pendingSync }: ClassicGroup, { memberId, awaitingJoin }: Member): boolean {
  return state === "PreparingRebalance" ? awaitingJoin === null : pendingSync.has(memberId);
}

function describeMember(member: Member, protocolName: string | null, awaited: boolean): DescribedMember {
  const { memberId, groupInstanceId, clientId, clientHost, assignment } = member;
  const memberMetadata = protocolName === null ? noBytes : metadataOf(member, protocolName);
  return { memberId, groupInstanceId, clientId, clientHost, memberMetadata, memberAssignment: assignment, isAwaited: awaited };
}
