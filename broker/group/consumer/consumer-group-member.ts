import { noPartitions, type PartitionMap } from "../assignors/partition-map.ts";

/** What a member reports about itself. */
export interface MemberProfile {
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** Without duplicates. */
  readonly subscribedTopicNames: readonly string[];
  /** An RE2 expression for more topics; null: none. */
  readonly subscribedTopicRegex: string | null;
  readonly rebalanceTimeoutMs: number;
  /** Null: whatever the group uses. */
  readonly serverAssignor: string | null;
}

/**
 * How far a member has moved from its present to its target assignment:
 *
 *   unrevoked   it is told to revoke partitions and has not confirmed it yet; until then it stays in its epoch
 *   unreleased  it is in the new epoch and waits for partitions that others have not revoked yet
 *   stable      it has what it is to have in its epoch
 */
export type MemberState = "stable" | "unrevoked" | "unreleased";

/**
 * What a member has. Partitions that are pending revocation are still its own: no other member gets them before it has confirmed, or is
 * gone.
 */
export interface CurrentAssignment {
  /** The one expected from the member in its next heartbeat; `leftForNow` for a static member that is away. */
  readonly epoch: number;
  /** Accepted too: the answer that raised the epoch may have been lost. */
  readonly previousEpoch: number;
  readonly state: MemberState;
  readonly assigned: PartitionMap;
  readonly pendingRevocation: PartitionMap;
}

/** In a heartbeat's member epoch. */
export const joining = 0;
export const leaving = -1;
/** A static member leaves and will be back within its session: its partitions are kept for it. */
export const leftForNow = -2;

/** Of a member that was just created. */
export const unassigned: CurrentAssignment = {
  epoch: 0,
  previousEpoch: -1,
  state: "stable",
  assigned: noPartitions,
  pendingRevocation: noPartitions,
};

/** Of a member that did not exist before: every field it sends then counts as changed. */
export const unknownProfile: MemberProfile = {
  instanceId: null,
  rackId: null,
  clientId: "",
  clientHost: "",
  subscribedTopicNames: [],
  subscribedTopicRegex: null,
  rebalanceTimeoutMs: -1,
  serverAssignor: null,
};

export function isReconciledTo(current: CurrentAssignment, assignmentEpoch: number): boolean {
  return current.state === "stable" && current.epoch === assignmentEpoch;
}

export function sameProfile(a: MemberProfile, b: MemberProfile): boolean {
  return (
    a.instanceId === b.instanceId &&
    a.rackId === b.rackId &&
    a.clientId === b.clientId &&
    a.clientHost === b.clientHost &&
    a.rebalanceTimeoutMs === b.rebalanceTimeoutMs &&
    a.serverAssignor === b.serverAssignor &&
    sameSubscription(a, b)
  );
}

export function sameSubscription(a: MemberProfile, b: MemberProfile): boolean {
  return a.subscribedTopicRegex === b.subscribedTopicRegex && sameTopics(a.subscribedTopicNames, b.subscribedTopicNames);
}

/** Order does not matter. */
export function sameTopics(a: readonly string[], b: readonly string[]): boolean {
  if (a === b) return true;
  return a.length === b.length && new Set(a).isSubsetOf(new Set(b));
}
