import { stillRecovering } from "../../coordinator-client/znodes/partition-state.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import { isComplete, isReplaced, isSameAssignment, targetOf } from "../runtime/reassignment-rules.ts";
import type { Replicas } from "./assignment.ts";
import type { ReplicasWanted, Verdict } from "./controller-service.ts";
import {
  assignmentOf,
  type ControllerState,
  canLead,
  isOnline,
  type PartitionAssignment,
  reassigned,
  type TopicState,
  usableBrokers,
} from "./controller-state.ts";
import { type Decision, electWanted } from "./elections.ts";

/**
 * How a partition comes to other replicas (KIP-455). All of it is in the topic's znode, as Kafka keeps it, so a controller that dies leaves
 * everything that the next one needs:
 * 1. The znode names the wanted replicas and, after them, those to be removed. Who leads, and who is in sync, stays as it is.
 * 2. The added replicas fetch, and the leader takes them into the in-sync set, as any follower.
 * 3. When all that are wanted are in sync, leadership moves to the first of them.
 * 4. That leader takes those that are to be removed out of the in-sync set. The controller does not: it may not have heard yet that the
 *    others are gone, and a removed one would be the last that has every record.
 * 5. The znode names the wanted replicas only, and the brokers of the others learn that theirs are not needed any more.
 *
 * Each change of the znode raises the leader epoch, in one transaction with the partition's state: an in-sync set that a leader decides on
 * under an epoch is about the replicas of that epoch.
 *
 * A reassignment that is cancelled, or given another target, gives up added replicas. Those that are out of sync go at once. Those that are
 * in sync are listed as added *and* removed from then on, and go by steps 3 to 5: what was original can still be told.
 */
export function reassign(target: Replicas | null): Decision {
  return (_state, _topic, record) => {
    const next = toward(record, target ?? originOf(record));
    return isSameAssignment(record, next) ? null : withAssignment(record, next);
  };
}

/** Step 3. */
export const leadByWanted: Decision = (state, topic, record) => {
  if (record.reassignment === undefined) return null;
  const isAlive = (id: BrokerId) => isOnline(state, topic.id, record.partition, id);
  if (!isReplaced(record, new Set(record.isr), isAlive)) return null;
  return electWanted(state, topic, record, targetOf(record));
};

/** Step 5. */
export const complete: Decision = (state, topic, record) => {
  if (record.reassignment === undefined || !isComplete(record)) return null;
  // a leader that may be gone: its successor is to be found among all that there are
  if (!canLead(state, topic.id, record.partition, record.leader)) return null;
  return withAssignment(record, { replicas: targetOf(record) });
};

/** Of whom a partition remembers that they have a log to delete. Those before them set it aside when they come back. */
const removedMax = 16;

/** These brokers report that nothing is left there of the partition. */
export function forgetRemoved(brokers: ReadonlySet<BrokerId>): Decision {
  return (_state, _topic, record) => {
    const { replicas, reassignment, removed = [] } = record;
    const left = removed.filter((id) => !brokers.has(id));
    return left.length === removed.length ? null : reassigned(record, assignmentOf(replicas, reassignment, left));
  };
}

/** Before the first reassignment that is not over yet. */
export function originOf({ replicas, reassignment }: PartitionAssignment): Replicas {
  return replicas.filter((id) => reassignment?.adding.includes(id) !== true);
}

function toward(record: PartitionRecord, target: Replicas): PartitionAssignment {
  const origin = originOf(record);
  const isInSync = (id: BrokerId) => record.isr.includes(id) || record.leader === id;
  const givenUp = record.replicas.filter((id) => !origin.includes(id) && !target.includes(id) && isInSync(id));
  const leaving = origin.filter((id) => !target.includes(id));
  return assignmentOf([...target, ...leaving, ...givenUp], {
    adding: [...target.filter((id) => !origin.includes(id)), ...givenUp],
    removing: [...leaving, ...givenUp],
  });
}

/** A replica that is removed is on record until its broker reports that its log is gone: deleted, or set aside. */
function withAssignment(record: PartitionRecord, { replicas, reassignment }: PartitionAssignment): PartitionRecord {
  const removed = [...new Set([...(record.removed ?? []), ...record.replicas])].filter((id) => !replicas.includes(id)).slice(-removedMax);
  const assignment = assignmentOf(replicas, reassignment, removed);
  const next = { ...reassigned(record, assignment), leaderEpoch: record.leaderEpoch + 1 };
  return { ...next, leaderRecovering: stillRecovering(next, next.isr) };
}

/** Why this cannot be asked for; null: it can. */
export function reassignmentFault(
  state: ControllerState,
  topic: TopicState | undefined,
  { partition, replicas }: ReplicasWanted,
  mayChangeReplicationFactor: boolean,
): Verdict | null {
  const record = topic?.partitions[partition];
  if (record === undefined) return { error: "UNKNOWN_TOPIC_OR_PARTITION", message: "The partition does not exist." };
  if (replicas === null)
    return record.reassignment === undefined
      ? { error: "NO_REASSIGNMENT_IN_PROGRESS", message: "The partition is not being reassigned." }
      : null;
  const invalid = (message: string): Verdict => ({ error: "INVALID_REPLICA_ASSIGNMENT", message });
  if (replicas.length === 0) return invalid("The list of replicas is empty.");
  if (new Set(replicas).size < replicas.length) return invalid(`The list of replicas names a broker twice: ${told(replicas)}.`);
  if (replicas.some((id) => id < 0)) return invalid(`The list of replicas has a broker id that is negative: ${told(replicas)}.`);
  const usable = new Set(usableBrokers(state).map(({ id }) => id));
  const unusable = replicas.filter((id) => !record.replicas.includes(id) && !usable.has(id));
  if (unusable.length > 0) return invalid(`Brokers that are to be added are not alive, or are being shut down: ${told(unusable)}.`);
  const before = originOf(record).length;
  if (!mayChangeReplicationFactor && replicas.length !== before)
    return {
      error: "INVALID_REPLICATION_FACTOR",
      message: `The replication factor is ${before}, and may not be changed to ${replicas.length} by this request.`,
    };
  return null;
}

const toldMax = 20;

function told(ids: readonly BrokerId[]): string {
  return ids.slice(0, toldMax).join(", ") + (ids.length > toldMax ? ", …" : "");
}
