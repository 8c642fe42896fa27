import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { countPartitions } from "../../../../broker/group/assignors/partition-map.ts";
import { rangeAssignor } from "../../../../broker/group/assignors/range.ts";
import type { AssigningMember, AssignmentInput, Assignor } from "../../../../broker/group/assignors/server-assignor.ts";
import { uniformAssignor } from "../../../../broker/group/assignors/uniform.ts";
import {
  type Assignment,
  counts,
  loads,
  member,
  movedPartitions,
  ownersByPartition,
  someCounts,
  someMembers,
  subscribedPartitions,
  withAssigned,
} from "./groups.ts";

const spread = (assignment: Assignment) => Math.max(...loads(assignment)) - Math.min(...loads(assignment));

function everyPartitionOnce(assignor: Assignor, input: AssignmentInput): void {
  const assignment = assignor.assign(input);
  const owners = ownersByPartition(assignment);
  expect([...owners.keys()].sort()).toEqual(subscribedPartitions(input));
  expect([...owners.values()].every((names) => names.length === 1)).toBe(true);
  expect([...assignment.keys()].sort()).toEqual(input.members.map(({ memberId }) => memberId).sort());
  for (const { memberId, topics } of input.members) {
    for (const [topicId, numbers] of assignment.get(memberId)!) {
      expect(topics.has(topicId), "only what it subscribes to").toBe(true);
      expect(
        numbers.toSorted((a, b) => a - b),
        "ascending, as a partition map is",
      ).toEqual(numbers);
    }
  }
}

describe.each([uniformAssignor, rangeAssignor])("$name", (assignor) => {
  test.each(["one", "many"] as const)("each partition with a subscriber has exactly one owner (%s subscription)", (subscriptions) => {
    fc.assert(
      fc.property(someMembers(subscriptions), someCounts, (members, partitionCounts) =>
        everyPartitionOnce(assignor, { members, partitionCounts }),
      ),
    );
  });

  test("the order in which members are listed does not matter", () => {
    fc.assert(
      fc.property(someMembers("many"), someCounts, (members, partitionCounts) => {
        const there = assignor.assign({ members, partitionCounts });
        const back = assignor.assign({ members: members.toReversed(), partitionCounts });
        expect(movedPartitions(there, back)).toEqual([]);
      }),
    );
  });

  test("a group without members, and one whose topics do not exist, get nothing", () => {
    expect(assignor.assign({ members: [], partitionCounts: counts({ apples: 3 }) })).toEqual(new Map());
    expect(assignor.assign({ members: [member("a", ["apples"])], partitionCounts: new Map() })).toEqual(new Map([["a", new Map()]]));
  });
});

describe("uniform", () => {
  test("with one subscription everybody has the same number of partitions, or one more", () => {
    fc.assert(
      fc.property(someMembers("one"), someCounts, (members, partitionCounts) => {
        expect(spread(uniformAssignor.assign({ members, partitionCounts }))).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("with several subscriptions no single move would bring two members closer", () => {
    fc.assert(
      fc.property(someMembers("many"), someCounts, (members, partitionCounts) => {
        const assignment = uniformAssignor.assign({ members, partitionCounts });
        for (const [memberId, partitions] of assignment) {
          for (const other of members) {
            const couldTake = [...partitions.keys()].some((topicId) => other.topics.has(topicId));
            const apart = countPartitions(partitions) - countPartitions(assignment.get(other.memberId)!);
            if (couldTake) expect(apart, `${memberId} against ${other.memberId}`).toBeLessThanOrEqual(1);
          }
        }
      }),
    );
  });

  test.each(["one", "many"] as const)("nothing moves when nothing changed (%s subscription)", (subscriptions) => {
    fc.assert(
      fc.property(someMembers(subscriptions), someCounts, (members, partitionCounts) => {
        const input = { members, partitionCounts };
        const first = uniformAssignor.assign(input);
        expect(movedPartitions(first, uniformAssignor.assign(withAssigned(input, first)))).toEqual([]);
      }),
    );
  });

  test("a member that leaves moves only its own partitions", () => {
    fc.assert(
      fc.property(someMembers("one"), someCounts, fc.nat(), (members, partitionCounts, leaver) => {
        fc.pre(members.length > 1);
        const input = { members, partitionCounts };
        const first = uniformAssignor.assign(input);
        const { memberId } = members[leaver % members.length]!;
        const remaining = withAssigned(input, first).members.filter((each) => each.memberId !== memberId);
        const second = uniformAssignor.assign({ members: remaining, partitionCounts });
        const its = [...ownersByPartition(first)].filter(([, [owner]]) => owner === memberId).map(([name]) => name);
        expect(movedPartitions(first, second).sort()).toEqual(its.sort());
      }),
    );
  });

  test("a member that joins takes its share and nothing else moves", () => {
    fc.assert(
      fc.property(someMembers("one"), someCounts, (members, partitionCounts) => {
        const input = { members, partitionCounts };
        const first = uniformAssignor.assign(input);
        const joining = member("member-new", [...members[0]!.topics]);
        const second = uniformAssignor.assign({ members: [...withAssigned(input, first).members, joining], partitionCounts });
        const taken = [...ownersByPartition(second)].filter(([, [owner]]) => owner === "member-new").map(([name]) => name);
        expect(movedPartitions(first, second).sort()).toEqual(taken.sort());
      }),
    );
  });

  test("the partitions of one topic are spread over the members, not stacked on a few", () => {
    const members = ["a", "b", "c"].map((name) => member(name, ["apples", "bananas"]));
    const assignment = uniformAssignor.assign({ members, partitionCounts: counts({ apples: 3, bananas: 3 }) });
    for (const partitions of assignment.values()) expect([...partitions.keys()].sort()).toEqual(["apples", "bananas"]);
  });

  test("the scarce topic goes to the only member that reads it, the rest to the others", () => {
    const members = [member("a", ["apples", "bananas"]), member("b", ["bananas"])];
    const assignment = uniformAssignor.assign({ members, partitionCounts: counts({ apples: 2, bananas: 2 }) });
    expect(assignment).toEqual(
      new Map([
        ["a", new Map([["apples", [0, 1]]])],
        ["b", new Map([["bananas", [0, 1]]])],
      ]),
    );
  });
});

describe("range", () => {
  test("neighbours go together, the first members have one more, topic by topic", () => {
    const members = ["c", "a", "b"].map((name) => member(name, ["apples", "bananas"]));
    const assignment = rangeAssignor.assign({ members, partitionCounts: counts({ apples: 7, bananas: 2 }) });
    const told = [...assignment].map(([name, partitions]) => [name, Object.fromEntries(partitions)]);
    expect(Object.fromEntries(told)).toEqual({
      a: { apples: [0, 1, 2], bananas: [0] },
      b: { apples: [3, 4], bananas: [1] },
      c: { apples: [5, 6] },
    });
  });

  test("static members come first, by instance id, whatever their member ids are", () => {
    const named = (memberId: string, instanceId: string | null): AssigningMember => ({ ...member(memberId, ["apples"]), instanceId });
    const members = [named("x", "one"), named("a", "two"), named("b", null)];
    const assignment = rangeAssignor.assign({ members, partitionCounts: counts({ apples: 3 }) });
    expect([...assignment].map(([name, partitions]) => [name, partitions.get("apples")])).toEqual([
      ["x", [0]],
      ["a", [1]],
      ["b", [2]],
    ]);
  });

  test("with the same subscription no topic is more than one partition from even", () => {
    fc.assert(
      fc.property(someMembers("one"), someCounts, (members, partitionCounts) => {
        const assignment = rangeAssignor.assign({ members, partitionCounts });
        for (const topicId of members[0]!.topics) {
          const numbers = [...assignment.values()].map((partitions) => partitions.get(topicId)?.length ?? 0);
          expect(Math.max(...numbers) - Math.min(...numbers)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});

describe("size", () => {
  const large = (subscriptions: "one" | "many"): AssignmentInput => {
    const names = Array.from({ length: 100 }, (_, i) => `topic-${i}`);
    const members = Array.from({ length: 1000 }, (_, i) =>
      member(`member-${i}`, subscriptions === "one" ? names : names.filter((_, topic) => (i + topic) % 3 > 0)),
    );
    return { members, partitionCounts: new Map(names.map((name) => [name, 100])) };
  };

  // generous: what is quadratic in members or partitions takes minutes
  test.each(["one", "many"] as const)(
    "1,000 members share 10,000 partitions, and one leaves (%s subscription)",
    { timeout: 10_000 },
    (subscriptions) => {
      const input = large(subscriptions);
      const first = uniformAssignor.assign(input);
      expect(spread(first)).toBeLessThanOrEqual(1);
      const members = withAssigned(input, first).members.slice(1);
      const second = uniformAssignor.assign({ ...input, members });
      expect(spread(second)).toBeLessThanOrEqual(1);
      expect(movedPartitions(first, second)).toHaveLength(10);
    },
  );
});
