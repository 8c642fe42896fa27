import type { TopicId } from "../../../protocol/base/ids.ts";
import type { PartitionMap } from "./partition-map.ts";
import { type AssigningMember, type AssignmentInput, compareText } from "./server-assignor.ts";

/** In an `owners` array: no owner. */
export const nobody = -1;

export interface NumberedTopic {
  readonly topicId: TopicId;
  /** Its partitions' indexes in `owners`: from `start` on, `count` of them. */
  readonly start: number;
  readonly count: number;
  /** Indexes of its subscribers in `members`, ascending. */
  readonly subscribers: readonly number[];
}

/** An assignment under construction: partitions of all subscribed topics numbered consecutively, and for each the index of its owner. */
export interface Ownership {
  /** By member id. */
  readonly members: readonly AssigningMember[];
  /** By topic id; only those that exist and have subscribers. */
  readonly topics: readonly NumberedTopic[];
  readonly owners: Int32Array;
  /** How many partitions each member owns. */
  readonly loads: Int32Array;
}

/** Each member owns what it had, where it still subscribes to it; the rest has no owner. */
export function keepOwned(input: AssignmentInput): Ownership {
  const members = input.members.toSorted((a, b) => compareText(a.memberId, b.memberId));
  const topics = numberTopics(members, input.partitionCounts);
  const last = topics.at(-1);
  const owners = new Int32Array(last === undefined ? 0 : last.start + last.count).fill(nobody);
  const loads = new Int32Array(members.length);
  const byId = new Map(topics.map((topic) => [topic.topicId, topic]));
  for (const [index, { topics: subscribed, owned }] of members.entries()) {
    for (const [topicId, partitions] of owned) {
      const topic = byId.get(topicId);
      if (topic === undefined || !subscribed.has(topicId)) continue;
      for (const partition of partitions) {
        if (partition < 0 || partition >= topic.count || owners[topic.start + partition] !== nobody) continue;
        owners[topic.start + partition] = index;
        loads[index]! += 1;
      }
    }
  }
  return { members, topics, owners, loads };
}

function numberTopics(members: readonly AssigningMember[], counts: ReadonlyMap<TopicId, number>): NumberedTopic[] {
  const subscribers = new Map<TopicId, number[]>();
  for (const [index, member] of members.entries()) {
    for (const topicId of member.topics) {
      const known = subscribers.get(topicId);
      if (known === undefined) subscribers.set(topicId, [index]);
      else known.push(index);
    }
  }
  let start = 0;
  return [...subscribers]
    .filter(([topicId]) => (counts.get(topicId) ?? 0) > 0)
    .sort(([a], [b]) => compareText(a, b))
    .map(([topicId, indexes]) => {
      const topic = { topicId, start, count: counts.get(topicId) ?? 0, subscribers: indexes };
      start += topic.count;
      return topic;
    });
}

export function move({ owners, loads }: Ownership, partition: number, to: number): void {
  const from = owners[partition]!;
  if (from !== nobody) loads[from]! -= 1;
  if (to !== nobody) loads[to]! += 1;
  owners[partition] = to;
}

/** The assignment as it then stands. */
export function told({ members, topics, owners }: Ownership): ReadonlyMap<string, PartitionMap> {
  const assigned: Map<TopicId, number[]>[] = members.map(() => new Map());
  for (const { topicId, start, count } of topics) {
    for (let partition = 0; partition < count; partition++) {
      const owner = owners[start + partition]!;
      if (owner === nobody) continue;
      const topic = assigned[owner]!.get(topicId);
      if (topic === undefined) assigned[owner]!.set(topicId, [partition]);
      else topic.push(partition);
    }
  }
  return new Map(members.map(({ memberId }, index) => [memberId, assigned[index]!]));
}
