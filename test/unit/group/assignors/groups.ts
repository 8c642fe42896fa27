import fc from "fast-check";
import { countPartitions, noPartitions, type PartitionMap } from "../../../../broker/group/assignors/partition-map.ts";
import type { AssigningMember, AssignmentInput } from "../../../../broker/group/assignors/server-assignor.ts";

export type Assignment = ReadonlyMap<string, PartitionMap>;

export function member(memberId: string, topics: readonly string[], owned: PartitionMap = noPartitions): AssigningMember {
  return { memberId, instanceId: null, topics: new Set(topics), owned };
}

export function counts(topics: Readonly<Record<string, number>>): ReadonlyMap<string, number> {
  return new Map(Object.entries(topics));
}

/** The same members with what was assigned to them. */
export function withAssigned(input: AssignmentInput, assignment: Assignment): AssignmentInput {
  const members = input.members.map((each) => ({ ...each, owned: assignment.get(each.memberId) ?? noPartitions }));
  return { ...input, members };
}

export function ownersByPartition(assignment: Assignment): Map<string, string[]> {
  const owners = new Map<string, string[]>();
  for (const [memberId, partitions] of assignment) {
    for (const [topicId, numbers] of partitions) {
      for (const number of numbers) owners.set(`${topicId}-${number}`, [...(owners.get(`${topicId}-${number}`) ?? []), memberId]);
    }
  }
  return owners;
}

/** Partitions with a subscriber, as an independent count. */
export function subscribedPartitions({ members, partitionCounts }: AssignmentInput): string[] {
  const names: string[] = [];
  for (const [topicId, count] of partitionCounts) {
    if (!members.some(({ topics }) => topics.has(topicId))) continue;
    for (let partition = 0; partition < count; partition++) names.push(`${topicId}-${partition}`);
  }
  return names.sort();
}

export const loads = (assignment: Assignment): number[] => [...assignment.values()].map(countPartitions);

/** Partitions that another member has than before. */
export function movedPartitions(before: Assignment, now: Assignment): string[] {
  const earlier = ownersByPartition(before);
  return [...ownersByPartition(now)].filter(([name, [owner]]) => earlier.get(name)?.[0] !== owner).map(([name]) => name);
}

const topicNames = ["apples", "bananas", "cherries", "dates"];

export const someCounts = fc
  .tuple(...topicNames.map(() => fc.integer({ min: 0, max: 12 })))
  .map((numbers) => new Map(topicNames.map((name, at) => [name, numbers[at]!])));

/** Members by themselves, all with one subscription or each with its own; claims of any kind, wrong ones included. */
export function someMembers(subscriptions: "one" | "many"): fc.Arbitrary<readonly AssigningMember[]> {
  const topics = fc.subarray(topicNames, { minLength: 1 });
  const owned = fc.dictionary(fc.constantFrom(...topicNames, "gone"), fc.uniqueArray(fc.integer({ min: 0, max: 14 }), { maxLength: 8 }));
  const one = fc.record({ topics, owned, isStatic: fc.boolean() });
  return fc.tuple(topics, fc.array(one, { minLength: 1, maxLength: 9 })).map(([shared, drawn]) =>
    drawn.map((each, at) => ({
      memberId: `member-${at}`,
      instanceId: each.isStatic ? `instance-${9 - at}` : null,
      topics: new Set(subscriptions === "one" ? shared : each.topics),
      owned: new Map(
        Object.entries(each.owned)
          .filter(([, numbers]) => numbers.length > 0)
          .map(([topic, numbers]) => [topic, numbers.toSorted((a, b) => a - b)]),
      ),
    })),
  );
}
