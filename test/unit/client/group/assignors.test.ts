import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assignorNamed, assignorNames, joinProtocols, membersOf } from "../../../../client/group/assignors.ts";
import {
  type Assignor,
  type GroupAssignment,
  type GroupMember,
  keyOf,
  type PartitionCounts,
} from "../../../../client/group/partition-assignor.ts";
import type { TopicPartition } from "../../../../protocol/base/ids.ts";
import {
  consumerProtocolAssignment,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "../../../../protocol/messages/consumer-protocol.ts";
import { encodeWhole } from "../../../../protocol/schema/message.ts";
import { MalformedFrame } from "../../../../protocol/wire/reader.ts";

const topicNames = ["a", "b", "c"];
const counts = fc.record({ a: fc.integer({ min: 1, max: 9 }), b: fc.integer({ min: 0, max: 6 }), c: fc.integer({ min: 1, max: 4 }) });
const subscription = fc.subarray(topicNames);

const countsOf = (record: Readonly<Record<string, number>>): PartitionCounts => new Map(Object.entries(record));
const member = (memberId: string, topics: readonly string[], owned: readonly TopicPartition[] = [], generation = 1): GroupMember => ({
  memberId,
  groupInstanceId: null,
  topics,
  owned,
  generation: owned.length === 0 ? -1 : generation,
});

function owners(assignment: GroupAssignment): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [memberId, list] of assignment) for (const each of list) found.set(keyOf(each), [...(found.get(keyOf(each)) ?? []), memberId]);
  return found;
}

function expectValid(members: readonly GroupMember[], partitions: PartitionCounts, assignment: GroupAssignment, mayWithhold = false): void {
  const found = owners(assignment);
  expect([...assignment.keys()].toSorted()).toEqual(members.map(({ memberId }) => memberId).toSorted());
  for (const [topic, count] of partitions) {
    const subscribed = members.filter(({ topics }) => topics.includes(topic)).map(({ memberId }) => memberId);
    for (let partition = 0; partition < count; partition++) {
      const of = found.get(keyOf({ topic, partition })) ?? [];
      if (subscribed.length === 0) expect(of).toEqual([]);
      else if (!mayWithhold) expect(of, keyOf({ topic, partition })).toHaveLength(1);
      expect(of.length).toBeLessThanOrEqual(1);
      for (const owner of of) expect(subscribed).toContain(owner);
      found.delete(keyOf({ topic, partition }));
    }
  }
  expect([...found.keys()]).toEqual([]);
}

const loads = (assignment: GroupAssignment) => [...assignment.values()].map(({ length }) => length);

/** The members after a generation, as they join the next. */
function rejoined(members: readonly GroupMember[], assignment: GroupAssignment, generation: number): GroupMember[] {
  return members.map((each) => ({ ...each, owned: assignment.get(each.memberId) ?? [], generation }));
}

describe.each(assignorNames.map((name) => [name, assignorNamed(name)] as const))("%s", (_name, assignor: Assignor) => {
  test("whatever is subscribed to, each partition has exactly one owner, who wants it", () => {
    fc.assert(
      fc.property(fc.array(subscription, { minLength: 1, maxLength: 6 }), counts, (subscriptions, record) => {
        const members = subscriptions.map((topics, i) => member(`m${i}`, topics));
        expectValid(members, countsOf(record), assignor.assign(members, countsOf(record)));
      }),
    );
  });

  test("with the same subscriptions it is as even as it can be", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 40 }), (size, partitions) => {
        const members = Array.from({ length: size }, (_, i) => member(`m${i}`, ["a"]));
        const all = loads(assignor.assign(members, new Map([["a", partitions]])));
        expect(Math.max(...all) - Math.min(...all)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("topics that do not exist are nobody's", () => {
    expect(assignor.assign([member("m", ["a", "gone"])], new Map([["a", 1]]))).toEqual(new Map([["m", [{ topic: "a", partition: 0 }]]]));
  });
});

test("range: consecutive partitions, in the order of member ids, static members first", () => {
  const members = [member("b", ["a"]), { ...member("z", ["a"]), groupInstanceId: "1" }, member("a", ["a"])];
  const assignment = assignorNamed("range").assign(members, new Map([["a", 7]]));
  expect([...assignment].map(([id, list]) => [id, list.map(({ partition }) => partition)])).toEqual([
    ["b", [5, 6]],
    ["z", [0, 1, 2]],
    ["a", [3, 4]],
  ]);
});

test("round robin passes over who is not subscribed", () => {
  const members = [member("x", ["a"]), member("y", ["a", "b"])];
  const assignment = assignorNamed("roundrobin").assign(
    members,
    new Map([
      ["a", 3],
      ["b", 2],
    ]),
  );
  expect(assignment.get("x")?.map(keyOf)).toEqual(["a-0", "a-2"]);
  expect(assignment.get("y")?.map(keyOf)).toEqual(["a-1", "b-0", "b-1"]);
});

describe("sticky", () => {
  const sticky = assignorNamed("sticky");

  test("different subscriptions: no partition could move to make it more even", () => {
    fc.assert(
      fc.property(
        fc.array(subscription, { minLength: 1, maxLength: 6 }),
        counts,
        fc.infiniteStream(fc.nat()),
        (subscriptions, record, noise) => {
          const partitions = countsOf(record);
          // anything may have been owned before
          const owned = new Map<number, TopicPartition[]>();
          for (const [topic, count] of partitions)
            for (let partition = 0; partition < count; partition++) {
              const owner = (noise.next().value as number) % (subscriptions.length + 1);
              owned.set(owner, [...(owned.get(owner) ?? []), { topic, partition }]);
            }
          const members = subscriptions.map((topics, i) => member(`m${i}`, topics, owned.get(i) ?? []));
          const assignment = sticky.assign(members, partitions);
          expectValid(members, partitions, assignment);
          for (const [from, list] of assignment)
            for (const { topic } of list)
              for (const to of members.filter(({ topics }) => topics.includes(topic)))
                expect(list.length - (assignment.get(to.memberId)?.length ?? 0), `${from} to ${to.memberId}`).toBeLessThanOrEqual(
                  from === to.memberId ? 0 : 1,
                );
        },
      ),
    );
  });

  test("a member that leaves moves only its own partitions; one that joins takes only what makes it even", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 8 }), counts, fc.nat(), (size, record, who) => {
        const partitions = countsOf(record);
        const members = Array.from({ length: size }, (_, i) => member(`m${i}`, topicNames));
        const before = sticky.assign(members, partitions);
        const gone = `m${who % size}`;
        const rest = rejoined(members, before, 1).filter(({ memberId }) => memberId !== gone);
        const after = sticky.assign(rest, partitions);
        for (const { memberId } of rest)
          for (const each of before.get(memberId) ?? []) expect(owners(after).get(keyOf(each))).toEqual([memberId]);
        const joined = sticky.assign([...rejoined(rest, after, 2), member("new", topicNames)], partitions);
        const moved = [...owners(joined)].filter(([key, [owner]]) => owners(after).get(key)?.[0] !== owner);
        expect(moved.every(([, [owner]]) => owner === "new")).toBe(true);
        expect(Math.max(...loads(joined)) - Math.min(...loads(joined))).toBeLessThanOrEqual(1);
        expect(sticky.assign(rejoined([...rest, member("new", topicNames)], joined, 3), partitions)).toEqual(joined);
      }),
    );
  });

  test("200 members and 10,000 partitions take no time to speak of", () => {
    const members = Array.from({ length: 200 }, (_, i) => member(`m${i}`, ["a"]));
    const partitions = new Map([["a", 10_000]]);
    const assignment = sticky.assign(rejoined(members, sticky.assign(members, partitions), 1).slice(1), partitions);
    expect(new Set(loads(assignment))).toEqual(new Set([50, 51]));
  });

  test("of two that claim a partition, the later generation has it", () => {
    const claims = [member("old", ["a"], [{ topic: "a", partition: 0 }], 4), member("new", ["a"], [{ topic: "a", partition: 0 }], 5)];
    expect(sticky.assign(claims, new Map([["a", 1]])).get("new")).toHaveLength(1);
  });
});

describe("cooperative sticky", () => {
  const cooperative = assignorNamed("cooperative-sticky");

  test("no partition is given to anybody while another still has it; after two rounds everybody has a fair share", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 20 }), (changes, count) => {
        const partitions = new Map([["a", count]]);
        let members = [member("m0", ["a"])];
        let generation = 0;
        const round = () => {
          generation++;
          const assignment = cooperative.assign(members, partitions);
          expectValid(members, partitions, assignment, true);
          const stolen = [...assignment].flatMap(([memberId, list]) => {
            const others = new Set(members.filter((other) => other.memberId !== memberId).flatMap(({ owned }) => owned.map(keyOf)));
            return list.map(keyOf).filter((key) => others.has(key));
          });
          expect(stolen).toEqual([]);
          members = rejoined(members, assignment, generation);
          return assignment;
        };
        for (const [i, joins] of changes.entries()) {
          if (joins || members.length === 1) members = [...members, member(`m${i + 1}`, ["a"])];
          else members = members.slice(1);
          round();
          const settled = round();
          expectValid(members, partitions, settled);
          expect(Math.max(...loads(settled)) - Math.min(...loads(settled))).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  test("a member that missed a generation and thinks that it still owns a partition holds it back from the rightful owner only if that one has not got it", () => {
    const stale = member("stale", ["a"], [{ topic: "a", partition: 0 }], 1);
    const rightful = member("rightful", ["a"], [{ topic: "a", partition: 0 }], 2);
    expect(cooperative.assign([stale, rightful], new Map([["a", 1]])).get("rightful")).toHaveLength(1);
    expect(
      cooperative
        .assign([stale, { ...rightful, owned: [] }, member("x", ["a"])], new Map([["a", 2]]))
        .get("x")
        ?.map(keyOf),
    ).not.toContain("a-0");
  });
});

describe("on the wire", () => {
  const owned = [
    { topic: "t", partition: 1 },
    { topic: "t", partition: 4 },
    { topic: "u", partition: 0 },
  ];

  test("a subscription in version 3, byte by byte as Kafka's definition has it", () => {
    const bytes = encodeSubscription({
      topics: ["t"],
      userData: null,
      ownedPartitions: [{ topic: "t", partitions: [2] }],
      generationId: 7,
      rackId: null,
    });
    expect(bytes.toString("hex")).toBe(
      ["0003", "00000001", "000174", "ffffffff", "00000001", "000174", "00000001", "00000002", "00000007", "ffff"].join(""),
    );
    expect(decodeSubscription(bytes)).toMatchObject({ topics: ["t"], generationId: 7 });
  });

  test("kcat's subscription (version 0, and 1 with owned partitions), and one from a later version", () => {
    const v0 = Buffer.from("00000000000100017400000000", "hex");
    expect(decodeSubscription(v0)).toEqual({
      topics: ["t"],
      userData: Buffer.alloc(0),
      ownedPartitions: [],
      generationId: -1,
      rackId: null,
    });
    const later = Buffer.concat([
      encodeSubscription({ topics: ["t"], userData: null, ownedPartitions: [], generationId: 3, rackId: "r" }),
      Buffer.from("ffff", "hex"),
    ]);
    later.writeInt16BE(9);
    expect(decodeSubscription(later)).toMatchObject({ topics: ["t"], generationId: 3, rackId: "r" });
    // version 1, but only the fields of version 0: as kafkajs writes it
    expect(decodeSubscription(Buffer.from("00010000000100017400000000", "hex"))).toMatchObject({ topics: ["t"], ownedPartitions: [] });
    expect(() => decodeSubscription(Buffer.from("00000000", "hex"))).toThrow(MalformedFrame);
  });

  test("assignments of every version read alike, and none at all as nothing", () => {
    const assignment = { assignedPartitions: [{ topic: "t", partitions: [0, 5] }], userData: null };
    expect(decodeAssignment(encodeAssignment(assignment))).toEqual(assignment);
    const v3 = Buffer.concat([Buffer.from("0003", "hex"), encodeWhole(consumerProtocolAssignment, assignment, 3)]);
    expect(decodeAssignment(v3)).toEqual(assignment);
    expect(decodeAssignment(Buffer.alloc(0)).assignedPartitions).toEqual([]);
  });

  test.each(assignorNames.map((name) => [name] as const))("%s: what a member joins with is what the leader learns", (name) => {
    const assignor = assignorNamed(name);
    const [protocol] = joinProtocols([assignor], ["t", "u"], name === "cooperative-sticky" ? owned : [], {
      partitions: owned,
      generation: 6,
    });
    const [read] = membersOf(assignor, [{ memberId: "m", groupInstanceId: null, metadata: protocol?.metadata as Buffer }]);
    expect(protocol?.name).toBe(name);
    expect(read).toMatchObject({ memberId: "m", topics: ["t", "u"], generation: 6 });
    expect(read?.owned).toEqual(name.includes("sticky") ? owned : []);
  });

  test("sticky user data: as the Java client writes it, with and without generation", () => {
    const { readUserData, userData } = assignorNamed("sticky");
    const v1 = Buffer.from(["00000001", "000174", "00000002", "00000001", "00000004", "00000009"].join(""), "hex");
    const partitions = owned.slice(0, 2);
    expect(userData({ partitions, generation: 9 })?.equals(v1)).toBe(true);
    expect(readUserData(v1)).toEqual({ partitions, generation: 9 });
    expect(readUserData(v1.subarray(0, -4))).toEqual({ partitions, generation: -1 });
    expect(readUserData(Buffer.from("07", "hex"))).toEqual({ partitions: [], generation: -1 });
  });

  test("a member whose subscription cannot be read does not stop the group", () => {
    const [read] = membersOf(assignorNamed("range"), [{ memberId: "m", groupInstanceId: null, metadata: Buffer.from("zz") }]);
    expect(read).toEqual({ memberId: "m", groupInstanceId: null, topics: [], owned: [], generation: -1 });
  });
});
