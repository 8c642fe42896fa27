import type { TopicPartition } from "../../protocol/base/ids.ts";
import { type Assignor, partitionsOf, sortedMembers, subscribedTopics } from "./partition-assignor.ts";

const plain = { rebalanceProtocol: "eager", userData: () => null, readUserData: () => null } as const;

/** Topic by topic: consecutive partitions for each member, one more for the first ones where the number does not divide evenly. */
export const rangeAssignor: Assignor = {
  ...plain,
  name: "range",
  assign(members, counts) {
    const assignment = new Map<string, TopicPartition[]>(members.map(({ memberId }) => [memberId, []]));
    for (const topic of subscribedTopics(members, counts)) {
      const subscribed = sortedMembers(members.filter(({ topics }) => topics.includes(topic)));
      const count = counts.get(topic) ?? 0;
      const share = Math.floor(count / subscribed.length);
      const withOneMore = count % subscribed.length;
      let next = 0;
      for (const [index, { memberId }] of subscribed.entries()) {
        const end = next + share + (index < withOneMore ? 1 : 0);
        for (; next < end; next++) assignment.get(memberId)?.push({ topic, partition: next });
      }
    }
    return assignment;
  },
};

/** All partitions of all topics assigned round robin, skipping members that do not subscribe to the topic. */
export const roundRobinAssignor: Assignor = {
  ...plain,
  name: "roundrobin",
  assign(members, counts) {
    const assignment = new Map<string, TopicPartition[]>(members.map(({ memberId }) => [memberId, []]));
    const sorted = sortedMembers(members).map((member) => ({ ...member, topics: new Set(member.topics) }));
    let turn = 0;
    for (const each of partitionsOf(subscribedTopics(members, counts), counts)) {
      while (!sorted[turn % sorted.length]?.topics.has(each.topic)) turn++;
      assignment.get(sorted[turn % sorted.length]?.memberId ?? "")?.push(each);
      turn++;
    }
    return assignment;
  },
};
