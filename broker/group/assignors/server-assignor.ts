import type { TopicId } from "../../../protocol/base/ids.ts";
import type { PartitionMap } from "./partition-map.ts";

/** A member as an assignor sees it. */
export interface AssigningMember {
  readonly memberId: string;
  /** Null: a dynamic member. */
  readonly instanceId: string | null;
  /** Ids of the topics it subscribes to. Those without a partition count do not exist (any more) and are skipped. */
  readonly topics: ReadonlySet<TopicId>;
  /** Its target assignment so far. Two members may claim the same partition: the first in the order of member ids gets it. */
  readonly owned: PartitionMap;
}

export interface AssignmentInput {
  readonly members: readonly AssigningMember[];
  readonly partitionCounts: ReadonlyMap<TopicId, number>;
}

/**
 * Divides partitions among the members that subscribe to their topics. Pure: the same input gives the same assignment, whatever the order
 * of members.
 */
export interface Assignor {
  readonly name: string;
  /** Every member is in the result; every partition with a subscriber is in it once. */
  assign(input: AssignmentInput): ReadonlyMap<string, PartitionMap>;
}

/** In the order of UTF-16 code units, as Kafka compares strings. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
