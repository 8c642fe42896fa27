import type { TopicPartition } from "../../protocol/base/ids.ts";

/** As which member of which group positions are committed in a transaction: what `Consumer.groupMetadata` says. */
export interface GroupMetadata {
  readonly groupId: string;
  /** Empty: from outside the group. */
  readonly memberId: string;
  /** The generation, or in the new protocol the member's epoch; -1: from outside the group. */
  readonly generation: number;
  readonly groupInstanceId: string | null;
}

/** A group's position, to be committed with the transaction that has the records' results. */
export interface TransactionPosition extends TopicPartition {
  /** Of the next record to be handled. */
  readonly offset: number;
  /** Of the record before it, as far as known. */
  readonly leaderEpoch?: number;
  /** Kept with the offset, for human readers. */
  readonly metadata?: string;
}
