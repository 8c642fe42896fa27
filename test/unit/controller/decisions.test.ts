import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assign, continuingStart, type Place, planPartitions, planTopic, randomStart } from "../../../broker/controller/assignment.ts";
import { changedConfig, type SettingRules } from "../../../broker/controller/config-changes.ts";
import { electForShutdown, electOffline, electPreferred, isrUnder } from "../../../broker/controller/elections.ts";
import { collidingTopic, topicNameFault } from "../../../broker/runtime/topic-names.ts";
import { seededRandom } from "../../../protocol/base/random.ts";

const placesOf = (ids: readonly number[]): Place[] => ids.map((id) => ({ id, rack: null }));
const idsArbitrary = fc.uniqueArray(fc.integer({ min: 0, max: 10_000 }), { minLength: 1, maxLength: 12 });

function counts(ids: readonly number[], named: Iterable<number>): number[] {
  const byId = new Map(ids.map((id) => [id, 0]));
  for (const id of named) byId.set(id, byId.get(id)! + 1);
  return [...byId.values()];
}

const spread = (numbers: readonly number[]) => Math.max(...numbers) - Math.min(...numbers);

describe("assignment", () => {
  test("leaders and replicas per broker differ by at most one, whatever the ids, and no broker has a partition twice", () => {
    fc.assert(
      fc.property(
        idsArbitrary,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer(),
        (ids, count, wanted, seed) => {
          const replicationFactor = Math.min(wanted, ids.length);
          const start = randomStart(seededRandom(seed), ids.length);
          const assignment = assign(placesOf(ids), { count, replicationFactor }, start);
          expect(assignment).toHaveLength(count);
          for (const replicas of assignment) {
            expect(replicas).toHaveLength(replicationFactor);
            expect(new Set(replicas).size).toBe(replicationFactor);
          }
          expect(
            spread(
              counts(
                ids,
                assignment.map((replicas) => replicas[0]!),
              ),
            ),
          ).toBeLessThanOrEqual(1);
          expect(spread(counts(ids, assignment.flat()))).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  test("what one broker leads is followed by all the others alike", () => {
    const assignment = assign(placesOf([1, 2, 3, 4, 5]), { count: 5 * 4, replicationFactor: 2 }, { leader: 0, shift: 0 });
    const followers = assignment.filter(([leader]) => leader === 1).map((replicas) => replicas[1]!);
    expect(counts([2, 3, 4, 5], followers)).toEqual([1, 1, 1, 1]);
  });

  test("replicas of a partition are on as many racks as there are, and leaders alternate between racks", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer(),
        (racks, perRack, count, wanted, seed) => {
          const places = Array.from({ length: racks * perRack }, (_, id) => ({ id: id * 3, rack: `rack-${id % racks}` }));
          const replicationFactor = Math.min(wanted, places.length);
          const rackOf = new Map(places.map(({ id, rack }) => [id, rack]));
          const assignment = assign(places, { count, replicationFactor }, randomStart(seededRandom(seed), places.length));
          for (const replicas of assignment) {
            expect(new Set(replicas).size).toBe(replicationFactor);
            expect(new Set(replicas.map((id) => rackOf.get(id))).size).toBe(Math.min(racks, replicationFactor));
          }
          expect(
            spread(
              counts(
                places.map(({ id }) => id),
                assignment.map((replicas) => replicas[0]!),
              ),
            ),
          ).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  test("partitions added later go on with the round of leaders", () => {
    fc.assert(
      fc.property(
        idsArbitrary,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer(),
        (ids, first, more, seed) => {
          const replicationFactor = Math.min(2, ids.length);
          const existing = assign(placesOf(ids), { count: first, replicationFactor }, randomStart(seededRandom(seed), ids.length));
          const added = assign(placesOf(ids), { count: more, replicationFactor }, continuingStart(placesOf(ids), existing));
          expect(
            spread(
              counts(
                ids,
                [...existing, ...added].map((replicas) => replicas[0]!),
              ),
            ),
          ).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});

describe("elections", () => {
  const candidates = fc
    .record({
      replicas: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { minLength: 1 }),
      live: fc.uniqueArray(fc.integer({ min: 1, max: 6 })),
    })
    .chain(({ replicas, live }) =>
      fc.subarray(replicas, { minLength: 1 }).map((isr) => ({ replicas, isr, live, canLead: (id: number) => live.includes(id) })),
    );

  test("nobody outside the in-sync set is elected unless the election is unclean, and the dead never are", () => {
    fc.assert(
      fc.property(candidates, fc.boolean(), (input, uncleanAllowed) => {
        const elected = electOffline(input, uncleanAllowed);
        const inSync = input.replicas.filter((id) => input.isr.includes(id) && input.live.includes(id));
        if (inSync.length > 0) expect(elected).toEqual({ leader: inSync[0], unclean: false });
        else if (!uncleanAllowed) expect(elected).toBeNull();
        else if (elected !== null)
          expect(elected.unclean && input.live.includes(elected.leader) && input.replicas.includes(elected.leader)).toBe(true);
        const isr = isrUnder(elected, input.isr, (id) => input.live.includes(id));
        expect(isr.length).toBeGreaterThan(0);
        if (elected === null) expect(isr).toEqual(input.isr);
        else expect(isr).toContain(elected.leader);
      }),
    );
  });

  test("the preferred replica is elected only while it lives and is in sync", () => {
    const canLead = (id: number) => id !== 2;
    expect(electPreferred({ replicas: [1, 3], isr: [3, 1], canLead })).toEqual({ leader: 1, unclean: false });
    expect(electPreferred({ replicas: [1, 3], isr: [3], canLead })).toBeNull();
    expect(electPreferred({ replicas: [2, 3], isr: [2, 3], canLead })).toBeNull();
  });

  test("a broker that leaves is followed by the next in-sync replica of the assignment, or by nobody", () => {
    const canLead = () => true;
    expect(electForShutdown({ replicas: [1, 2, 3], isr: [3, 1], canLead }, 1)).toEqual({ leader: 3, unclean: false });
    expect(electForShutdown({ replicas: [1, 2, 3], isr: [1], canLead }, 1)).toBeNull();
  });
});

describe("requests for topics", () => {
  const limits = { numPartitions: 2, defaultReplicationFactor: 2, partitionsPerTopicMax: 100 };
  const input = { places: placesOf([1, 2, 3]), limits, random: seededRandom(1) };
  const creation = { name: "t", numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] };

  test("names that Kafka refuses are refused", () => {
    for (const name of ["", ".", "..", "a/b", "a b", "ä", "x".repeat(250)]) expect(topicNameFault(name), name).not.toBeNull();
    for (const name of ["a", "a.b_c-D9", "...", "x".repeat(249)]) expect(topicNameFault(name), name).toBeNull();
    expect(collidingTopic("a.b", ["a_b"])).toBe("a_b");
    expect(collidingTopic("a.b", ["a.b", "a-b"])).toBeNull();
  });

  test("what is left open comes from the broker's settings", () => {
    const planned = planTopic(creation, input);
    expect(planned.error === null && planned.assignment.map((replicas) => replicas.length)).toEqual([2, 2]);
  });

  test.each([
    ["INVALID_REPLICATION_FACTOR", { replicationFactor: 4 }],
    ["INVALID_REPLICATION_FACTOR", { replicationFactor: 0 }],
    ["INVALID_PARTITIONS", { numPartitions: 0 }],
    ["INVALID_PARTITIONS", { numPartitions: 101 }],
    ["INVALID_REPLICA_ASSIGNMENT", { assignments: [{ partition: 1, brokerIds: [1] }] }],
    ["INVALID_REPLICA_ASSIGNMENT", { assignments: [{ partition: 0, brokerIds: [1, 1] }] }],
    ["INVALID_REPLICA_ASSIGNMENT", { assignments: [{ partition: 0, brokerIds: [] }] }],
    ["INVALID_REPLICA_ASSIGNMENT", { assignments: [{ partition: 0, brokerIds: [9] }] }],
    [
      "INVALID_REPLICA_ASSIGNMENT",
      {
        assignments: [
          { partition: 0, brokerIds: [1, 2] },
          { partition: 1, brokerIds: [1] },
        ],
      },
    ],
    ["INVALID_REQUEST", { assignments: [{ partition: 0, brokerIds: [1] }], numPartitions: 1 }],
  ] as const)("%s for %o", (error, change) => {
    expect(planTopic({ ...creation, ...change }, input).error).toBe(error);
  });

  test("partitions can only be added, with assignments for exactly the new ones", () => {
    const existing = [[1, 2]];
    expect(planPartitions({ name: "t", count: 1, assignments: null }, existing, input).error).toBe("INVALID_PARTITIONS");
    expect(planPartitions({ name: "t", count: 0, assignments: null }, existing, input).error).toBe("INVALID_PARTITIONS");
    expect(planPartitions({ name: "t", count: 3, assignments: [[1, 2]] }, existing, input).error).toBe("INVALID_REPLICA_ASSIGNMENT");
    expect(planPartitions({ name: "t", count: 2, assignments: [[3]] }, existing, input).error).toBe("INVALID_REPLICA_ASSIGNMENT");
    expect(planPartitions({ name: "t", count: 2, assignments: [[3, 1]] }, existing, input)).toEqual({ error: null, assignment: [[3, 1]] });
  });
});

describe("changes of settings", () => {
  const rules: SettingRules = {
    fault: (name, value) => (name === "number" && !/^\d+$/.test(value) ? "not a number" : null),
    deletionFault: (name) => (name === "fixed" ? "fixed" : null),
    isList: (name) => name === "list",
    defaultValue: (name) => (name === "list" ? "a" : null),
    conflict: ({ low = "0", high = "9" }) => (low > high ? "low is above high" : null),
  };
  const changed = (current: Record<string, string>, ...operations: [string, "set" | "delete" | "append" | "subtract", string | null][]) =>
    changedConfig(
      current,
      { operations: operations.map(([name, operation, value]) => ({ name, operation, value })), replaceAll: false },
      rules,
    );

  test("set, delete, append and subtract; a list starts from what is in force", () => {
    expect(changed({ x: "1" }, ["number", "set", "2"], ["x", "delete", null])).toEqual({ fault: null, config: { number: "2" } });
    expect(changed({}, ["list", "append", "b,a"])).toEqual({ fault: null, config: { list: "a,b" } });
    expect(changed({ list: "a,b,c" }, ["list", "subtract", "b"])).toEqual({ fault: null, config: { list: "a,c" } });
  });

  test("one wrong operation refuses all of them", () => {
    expect(changed({}, ["x", "set", "1"], ["number", "set", "no"]).fault).toBe("not a number");
    expect(changed({}, ["x", "append", "1"]).fault).not.toBeNull();
    expect(changed({}, ["x", "set", null]).fault).not.toBeNull();
    expect(changed({}, ["fixed", "delete", null]).fault).toBe("fixed");
    expect(changed({}, ["x", "set", "1"], ["x", "set", "2"]).fault).not.toBeNull();
  });

  test("settings that do not go together are refused, whichever of them was there before", () => {
    expect(changed({ low: "5" }, ["high", "set", "4"]).fault).toBe("low is above high");
    expect(changed({ low: "5" }, ["high", "set", "4"], ["low", "delete", null])).toEqual({ fault: null, config: { high: "4" } });
    expect(changed({}, ["low", "set", "5"], ["high", "set", "4"]).fault).toBe("low is above high");
  });

  test("replacing leaves nothing of what was there", () => {
    const operations = [{ name: "number", operation: "set", value: "2" }] as const;
    expect(changedConfig({ x: "1" }, { operations, replaceAll: true }, rules)).toEqual({ fault: null, config: { number: "2" } });
    expect(changedConfig({ x: "1" }, { operations: [], replaceAll: true }, rules)).toEqual({ fault: null, config: {} });
  });
});
