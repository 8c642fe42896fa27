import type { TopicId } from "../../../protocol/base/ids.ts";
import {
  allPartitions,
  commonPartitions,
  filterPartitions,
  havePartitionsInCommon,
  noPartitions,
  type PartitionMap,
  samePartitions,
  withoutPartitions,
} from "../assignors/partition-map.ts";
import type { CurrentAssignment } from "./consumer-group-member.ts";

/** A member's target. */
export interface Target {
  readonly epoch: number;
  readonly partitions: PartitionMap;
}

/**
 * The next step of a member from what it has towards its target (KIP-848), or the same value when it cannot move yet.
 *
 *   1. It first revokes what it has and should not have: it stays in its epoch, state *unrevoked*, until a heartbeat lists what it owns
 *      without any of that.
 *   2. Then it enters the target's epoch with what it keeps and what is free. It waits for what others still have: *unreleased*. Every
 *      later heartbeat tries again.
 *
 * `owned`: what the member reports to have; null: not reported. `isFree`: the partition has no owner, or is the member's own.
 */
export function reconcile(
  current: CurrentAssignment,
  target: Target,
  owned: PartitionMap | null,
  isFree: (topicId: TopicId, partition: number) => boolean,
): CurrentAssignment {
  const mayOwn = (partitions: PartitionMap) => partitions.size > 0 && (owned === null || havePartitionsInCommon(owned, partitions));
  if (current.state === "stable" && current.epoch === target.epoch) return current;
  if (current.state === "unrevoked" && mayOwn(current.pendingRevocation)) return current;

  const kept = commonPartitions(current.assigned, target.partitions);
  const givenUp = withoutPartitions(current.assigned, target.partitions);
  if (mayOwn(givenUp)) return changed(current, { ...current, state: "unrevoked", assigned: kept, pendingRevocation: givenUp });

  const wanted = withoutPartitions(target.partitions, current.assigned);
  const available = filterPartitions(wanted, isFree);
  const isComplete = samePartitions(wanted, available);
  return changed(current, {
    epoch: target.epoch,
    // a step within the epoch: the one before it is still acceptable from a member that missed the answer
    previousEpoch: current.epoch === target.epoch ? current.previousEpoch : current.epoch,
    state: isComplete ? "stable" : "unreleased",
    assigned: allPartitions(kept, available),
    pendingRevocation: noPartitions,
  });
}

function changed(current: CurrentAssignment, next: CurrentAssignment): CurrentAssignment {
  const isSame =
    current.epoch === next.epoch &&
    current.previousEpoch === next.previousEpoch &&
    current.state === next.state &&
    samePartitions(current.assigned, next.assigned) &&
    samePartitions(current.pendingRevocation, next.pendingRevocation);
  return isSame ? current : next;
}
