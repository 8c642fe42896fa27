import type { Outcome } from "../../protocol/errors/kafka-errors.ts";
import type { Appended } from "../log/log-contract.ts";
import type { AppendedRecords } from "./client-contract.ts";
import type { LeaderState } from "./leader-state.ts";
import type { WaitEnd } from "./waiters.ts";

/**
 * What a producer with acks=all is told of a partition that too few brokers have in full; null: there are enough. As in Kafka from 3.7 on
 * no more replicas are required than there are, or a topic with few copies could never be written.
 */
export function replicaShortage(
  { isr, replicas }: Pick<LeaderState, "isr" | "replicas">,
  { minInsyncReplicas }: { readonly minInsyncReplicas: number },
): string | null {
  const required = Math.min(minInsyncReplicas, replicas.length);
  if (isr.size >= required) return null;
  const missing = replicas.filter((id) => !isr.has(id)).toSorted((a, b) => a - b);
  const who = missing.length === 1 ? `broker ${missing[0]} is` : `brokers ${missing.join(", ")} are`;
  return `it has ${isr.size} of ${required} required in-sync replicas: ${who} missing`;
}

/** Of the leader, when the wait is over: leadership, session and in-sync set may have changed since the append. */
export interface AfterAppend {
  /** Of the coordinator's session. */
  readonly isSessionProved: boolean;
  readonly hasEnded: boolean;
  /** Null: enough replicas are in sync. */
  readonly replicaShortage: string | null;
  readonly logStartOffset: number;
}

/** What the producer of appended records is told. */
export function acknowledgement(
  end: WaitEnd,
  acks: -1 | 0 | 1,
  { baseOffset, logAppendTimeMs }: Appended,
  leader: AfterAppend,
): Outcome<AppendedRecords> {
  switch (end) {
    case "timed-out":
      return { error: "REQUEST_TIMED_OUT" };
    case "lost-leadership":
      return { error: "NOT_LEADER_OR_FOLLOWER" };
    case "log-offline":
      return { error: "KAFKA_STORAGE_ERROR" };
    case "reached":
      // Race (I8): (1) records appended with a proved session; (2) this process is stopped for longer than the session lives, another
      // broker leads;
      // (3) it wakes up, and what it finds in its socket buffers lets the wait end. Only a session proved now may acknowledge.
      if (!leader.isSessionProved) return { error: "NOT_LEADER_OR_FOLLOWER" };
      // committed records stay committed under any leader; those that only we wrote may be lost
      if (acks !== -1 && leader.hasEnded) return { error: "NOT_LEADER_OR_FOLLOWER" };
      if (acks === -1 && leader.replicaShortage !== null)
        return { error: "NOT_ENOUGH_REPLICAS_AFTER_APPEND", message: leader.replicaShortage };
      return { error: null, baseOffset, logAppendTimeMs, logStartOffset: leader.logStartOffset };
  }
}
