import type { TopicId } from "../../../protocol/base/ids.ts";
import type { PartitionMap } from "./partition-map.ts";
import { type AssigningMember, type AssignmentInput, type Assignor, compareText } from "./server-assignor.ts";

/**
 * Each topic on its own: its subscribers in order get contiguous partitions, the first ones one more where the number does not divide
 * evenly. Members with the same subscription get the same partition numbers of topics with equally many partitions, so that these can be
 * joined. Static members come first and in the order of their instance ids, so that a restart changes nothing. Not sticky: a change of the
 * members moves ranges (as Kafka 3.9's server-side range).
 */
export const rangeAssignor: Assignor = {
  name: "range",
  assign({ members, partitionCounts }: AssignmentInput): ReadonlyMap<string, PartitionMap> {
    const ordered = members.toSorted(byInstance);
    const assigned = new Map<string, Map<TopicId, readonly number[]>>(ordered.map(({ memberId }) => [memberId, new Map()]));
    for (const [topicId, subscribers] of subscribersByTopic(ordered)) {
      const count = partitionCounts.get(topicId) ?? 0;
      const share = Math.floor(count / subscribers.length);
      const extras = count % subscribers.length;
      let next = 0;
      for (const [at, { memberId }] of subscribers.entries()) {
        const first = next;
        next += at < extras ? share + 1 : share;
        if (next === first) break;
        assigned.get(memberId)?.set(
          topicId,
          Array.from({ length: next - first }, (_, i) => first + i),
        );
      }
    }
    return assigned;
  },
};

function byInstance(a: AssigningMember, b: AssigningMember): number {
  if (a.instanceId !== null && b.instanceId !== null) return compareText(a.instanceId, b.instanceId);
  if (a.instanceId !== null) return -1;
  return b.instanceId !== null ? 1 : compareText(a.memberId, b.memberId);
}

function subscribersByTopic(members: readonly AssigningMember[]): Map<TopicId, AssigningMember[]> {
  const byTopic = new Map<TopicId, AssigningMember[]>();
  for (const member of members) {
    for (const topicId of member.topics) {
      const subscribers = byTopic.get(topicId);
      if (subscribers === undefined) byTopic.set(topicId, [member]);
      else subscribers.push(member);
    }
  }
  return byTopic;
}
