import type { TopicPartition } from "../../protocol/base/ids.ts";
import { array, struct } from "../../protocol/schema/composites.ts";
import { encodeWhole, message } from "../../protocol/schema/message.ts";
import { int32, string } from "../../protocol/schema/primitives.ts";
import { MalformedFrame, Reader } from "../../protocol/wire/reader.ts";
import { type Assignor, byTopic, flat, type GroupAssignment, type GroupMember, keyOf, type OwnedBefore } from "./partition-assignor.ts";
import { balanceSticky, ownersBefore } from "./sticky-balance.ts";

/** As in Kafka's sticky assignor; version 0 lacks the generation. */
const stickyUserData = message(
  { name: "StickyAssignorUserData", apiKey: -1, versions: [0, 1], flexibleSince: null },
  {
    previousAssignment: array(struct({ topic: string(), partitions: array(int32()) })),
    generation: int32({ since: 1, absent: -1 }),
  },
);

const cooperativeUserData = message(
  { name: "CooperativeStickyAssignorUserData", apiKey: -1, versions: [0, 0], flexibleSince: null },
  { generation: int32() },
);

/**
 * Balanced, and a member keeps its partitions where possible. Eager: what members had is sent in their user data, for by then they have
 * revoked it.
 */
export const stickyAssignor: Assignor = {
  name: "sticky",
  rebalanceProtocol: "eager",
  userData: ({ partitions, generation }) => encodeWhole(stickyUserData, { previousAssignment: byTopic(partitions), generation }, 1),
  readUserData: (bytes) => readSticky(bytes, 1) ?? readSticky(bytes, 0) ?? { partitions: [], generation: -1 },
  assign: balanceSticky,
};

function readSticky(bytes: Buffer, version: number): OwnedBefore | null {
  try {
    const { previousAssignment, generation } = stickyUserData.read(new Reader(bytes), version);
    return { partitions: flat(previousAssignment), generation };
  } catch (error) {
    if (error instanceof MalformedFrame) return null;
    throw error;
  }
}

/** As sticky, but incremental: a partition that moves is left out until its present owner has revoked it and rejoined. */
export const cooperativeStickyAssignor: Assignor = {
  name: "cooperative-sticky",
  rebalanceProtocol: "cooperative",
  userData: ({ generation }) => encodeWhole(cooperativeUserData, { generation }, 0),
  readUserData: () => null,
  assign: (members, counts) => withholdClaimed(members, balanceSticky(members, counts)),
};

/**
 * Without partitions that another member still claims, whether rightly or not: that member will revoke them when it sees that they are not
 * its own, and rejoin.
 */
function withholdClaimed(members: readonly GroupMember[], assignment: GroupAssignment): GroupAssignment {
  const owners = ownersBefore(members);
  const claimed = new Set(members.flatMap(({ owned }) => owned.map(keyOf)));
  const mayHave = (memberId: string, each: TopicPartition) => !claimed.has(keyOf(each)) || owners.get(keyOf(each)) === memberId;
  return new Map([...assignment].map(([memberId, list]) => [memberId, list.filter((each) => mayHave(memberId, each))]));
}
