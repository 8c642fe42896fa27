import type { TopicPartition } from "../../protocol/base/ids.ts";
import { decodeSubscription, encodeSubscription } from "../../protocol/messages/consumer-protocol.ts";
import type { JoinGroupResponse } from "../../protocol/messages/join-group.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";
import { type Assignor, byTopic, flat, type GroupMember, type OwnedBefore } from "./partition-assignor.ts";
import { rangeAssignor, roundRobinAssignor } from "./plain-assignors.ts";
import { cooperativeStickyAssignor, stickyAssignor } from "./sticky-assignors.ts";

const table = {
  range: rangeAssignor,
  roundrobin: roundRobinAssignor,
  sticky: stickyAssignor,
  "cooperative-sticky": cooperativeStickyAssignor,
} as const;

/** How a classic group's leader assigns the partitions. All members must have one in common. */
export type AssignorName = keyof typeof table;

export const assignorNames = Object.keys(table) as readonly AssignorName[];

export function assignorNamed(name: AssignorName): Assignor {
  return table[name];
}

/**
 * What a member joins with: a subscription for each assignor, in the order of preference. `owned` is what the member has and keeps
 * meanwhile; `before` what it had in its last generation, whether it still has it or not.
 */
export function joinProtocols(
  assignors: readonly Assignor[],
  topics: readonly string[],
  owned: readonly TopicPartition[],
  before: OwnedBefore,
): { name: string; metadata: Buffer }[] {
  return assignors.map((assignor) => ({
    name: assignor.name,
    metadata: encodeSubscription({
      topics,
      userData: assignor.userData(before),
      ownedPartitions: byTopic(owned),
      generationId: before.generation,
      rackId: null,
    }),
  }));
}

/**
 * The members in the form that the leader's assignor needs. One whose subscription cannot be read gets nothing, instead of stopping the
 * group.
 */
export function membersOf(assignor: Assignor, members: JoinGroupResponse["members"]): GroupMember[] {
  return members.map(({ memberId, groupInstanceId, metadata }) => {
    const member = { memberId, groupInstanceId };
    try {
      const { topics, userData, ownedPartitions, generationId } = decodeSubscription(metadata);
      const before = userData === null ? null : assignor.readUserData(userData);
      return { ...member, topics, owned: before?.partitions ?? flat(ownedPartitions), generation: before?.generation ?? generationId };
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
      return { ...member, topics: [], owned: [], generation: -1 };
    }
  });
}
