import { describe, expect, test } from "vitest";
import { answered } from "../../../broker/state-machine/contract.ts";
import { idOf, subscription, topicsView, World } from "./world.ts";

const dayMs = 24 * 3_600_000;
const codeOf = (asked: { readonly value: readonly { readonly partitions: readonly { readonly errorCode: string }[] }[] }) =>
  asked.value[0]?.partitions[0]?.errorCode;

describe("committing", () => {
  test("a group that nobody joined keeps offsets for whoever commits from outside", async () => {
    const world = await World.loaded();
    expect(codeOf(await world.commit({ offsets: { t: 5 } }))).toBe("NONE");
    expect(world.machine.listGroups()).toEqual([{ groupId: "g", protocolType: "", groupState: "Empty", groupType: "classic" }]);
    await world.move();
    expect(world.machine.listGroups()).toEqual([{ groupId: "g", protocolType: "", groupState: "Empty", groupType: "classic" }]);
    expect(await world.offsets()).toEqual({ t: 5 });
  });

  test("a generation of a group that there is not is illegal", async () => {
    const world = await World.loaded();
    expect(codeOf(await world.commit({ memberId: "m", generationIdOrMemberEpoch: 3, offsets: { t: 5 } }))).toBe("ILLEGAL_GENERATION");
    expect(world.machine.groups.size).toBe(0);
  });

  test("while there are members, only they commit, and only in their generation", async () => {
    const world = await World.loaded();
    const [a = ""] = await world.stableGroup(1);
    const commit = async (memberId: string, generationIdOrMemberEpoch: number, groupInstanceId: string | null = null) =>
      codeOf(await world.commit({ memberId, generationIdOrMemberEpoch, groupInstanceId, offsets: { t: 5 } }));
    expect(await commit("", -1)).toBe("UNKNOWN_MEMBER_ID");
    expect(await commit("stranger", 1)).toBe("UNKNOWN_MEMBER_ID");
    expect(await commit(a, 2)).toBe("ILLEGAL_GENERATION");
    expect(await commit(a, -1)).toBe("ILLEGAL_GENERATION");
    expect(await commit(a, 1, "instance")).toBe("UNKNOWN_MEMBER_ID");
    expect(await world.offsets()).toEqual({});
    expect(await commit(a, 1)).toBe("NONE");
  });

  test("members may commit while a rebalance is prepared, and not between their joining and their part", async () => {
    const world = await World.loaded();
    const [a = ""] = await world.stableGroup(2);
    await world.join({ clientId: "new" });
    expect(codeOf(await world.commit({ memberId: a, generationIdOrMemberEpoch: 1, offsets: { t: 5 } }))).toBe("NONE");
    await world.join({ memberId: a });
    await world.clock.advance(10_100); // the session of the one that does not join again ends
    expect(world.describe().groupState).toBe("CompletingRebalance");
    expect(codeOf(await world.commit({ memberId: a, generationIdOrMemberEpoch: 2, offsets: { t: 6 } }))).toBe("REBALANCE_IN_PROGRESS");
    expect(await world.offsets()).toEqual({ t: 5 });
  });

  test("a text that is too long is refused, and only that partition", async () => {
    const world = await World.loaded();
    const topics = [
      {
        name: "t",
        partitions: [
          { partitionIndex: 0, committedOffset: 5, committedLeaderEpoch: -1, commitTimestamp: -1, committedMetadata: "ü".repeat(9) },
          { partitionIndex: 1, committedOffset: 6, committedLeaderEpoch: -1, commitTimestamp: -1, committedMetadata: "ü".repeat(8) },
        ],
      },
    ];
    const request = { memberId: "", groupInstanceId: null, generationIdOrMemberEpoch: -1, apiVersion: 8, retentionTimeMs: -1, topics };
    const asked = await world.ask((machine, now) => machine.commitOffsets("g", request, now));
    expect(asked.value[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual(["OFFSET_METADATA_TOO_LARGE", "NONE"]);
    const fetched = await world.ask((machine) => machine.fetchOffsets("g", { memberId: null, memberEpoch: -1 }, null));
    expect(fetched.value.topics).toEqual([
      {
        name: "t",
        partitions: [{ partitionIndex: 1, committedOffset: 6, committedLeaderEpoch: -1, metadata: "üüüüüüüü", errorCode: "NONE" }],
      },
    ]);
  });

  test("what was not committed is -1, in a group or without one", async () => {
    const world = await World.loaded();
    const wanted = [{ name: "t", partitions: [0, 4] }];
    await world.commit({ offsets: { t: 9 } });
    for (const [groupId, first] of [
      ["g", 9],
      ["none", -1],
    ] as const) {
      const fetched = await world.ask((machine) => machine.fetchOffsets(groupId, { memberId: null, memberEpoch: -1 }, wanted));
      expect(fetched.value.topics[0]?.partitions.map(({ committedOffset }) => committedOffset)).toEqual([first, -1]);
    }
  });
});

describe("offsets go", () => {
  test("when their group has been empty for the retention, and the group with them", async () => {
    const world = await World.loaded({ sessionTimeoutMaxMs: 20 * dayMs });
    const [a = ""] = await world.stableGroup(1, { sessionTimeoutMs: 20 * dayMs });
    await world.commit({ memberId: a, generationIdOrMemberEpoch: 1, offsets: { t: 5 } });
    await world.clock.advance(9 * dayMs);
    expect(await world.offsets()).toEqual({ t: 5 });
    await world.leave({ memberId: a, groupInstanceId: null });
    await world.clock.advance(7 * dayMs - 600_000);
    expect(await world.offsets()).toEqual({ t: 5 });
    await world.clock.advance(1_300_000);
    expect(await world.offsets()).toEqual({});
    expect(world.machine.groups.size).toBe(0);
    await world.move();
    expect(world.machine.groups.size).toBe(0);
  });

  test("of a topic that nobody in the group consumes any more, with the retention after their commit", async () => {
    const world = await World.loaded({ sessionTimeoutMaxMs: 20 * dayMs });
    await world.commit({ offsets: { t: 5, u: 6 } });
    await world.stableGroup(1, { sessionTimeoutMs: 20 * dayMs, protocols: [{ name: "range", metadata: subscription("t") }] });
    await world.clock.advance(8 * dayMs);
    expect(await world.offsets()).toEqual({ t: 5 });
  });

  test("when the commit named its own retention", async () => {
    const world = await World.loaded();
    await world.commit({ offsets: { t: 5 }, retentionTimeMs: dayMs });
    await world.commit({ offsets: { u: 6 } });
    await world.move();
    await world.clock.advance(dayMs + 700_000);
    expect(await world.offsets()).toEqual({ u: 6 });
  });

  test("with their topic, also when it was deleted while the coordinator moved", async () => {
    const world = await World.loaded();
    await world.commit({ offsets: { t: 5, u: 6 } });
    world.partition.refusal = "NOT_ENOUGH_REPLICAS";
    world.topics = { ...topicsView("u"), deletedTopics: new Map([[idOf("t"), "t"]]) };
    world.shard.runAll((machine, now) => machine.topicsChanged(new Set(["t"]), now));
    await world.clock.advance(1_000);
    const kept = async () => (await world.ask((machine) => answered([...machine.offsets.of("g").keys()]))).value;
    expect(await world.offsets(), "nobody is told of them any more").toEqual({ u: 6 });
    expect(await kept()).toEqual(["t", "u"]);
    world.partition.refusal = null;
    await world.clock.advance(2_000);
    expect(await kept()).toEqual(["u"]);
    expect(await world.offsets()).toEqual({ u: 6 });
    // not known is not deleted: a coordinator that went back in time does not know it either
    world.topics = topicsView();
    await world.move();
    await world.clock.advance(0);
    expect(await world.offsets()).toEqual({ u: 6 });
    world.topics = { ...topicsView(), deletedTopics: new Map([[idOf("u"), "u"]]) };
    await world.move();
    await world.clock.advance(0);
    expect(await world.offsets()).toEqual({});
  });

  test("a position in a topic that was re-created is none in the new one, whoever coordinates and whatever is on record", async () => {
    const world = await World.loaded();
    await world.commit({ offsets: { t: 100, u: 6 } });
    // 1. the coordinator is gone; 2. the topic is deleted and re-created; 3. another broker coordinates
    const [{ topics }, anew] = [topicsView("t", "u"), idOf("anew")];
    world.topics = { ...topicsView(), topics: new Map([...topics, ["t", { ...topics.get("t")!, id: anew }]]) };
    await world.move();
    expect(await world.offsets()).toEqual({ u: 6 });
    const wanted = [{ name: "t", partitions: [0] }];
    const fetched = await world.ask((machine) => machine.fetchOffsets("g", { memberId: null, memberEpoch: -1 }, wanted));
    expect(fetched.value.topics[0]?.partitions[0]?.committedOffset).toBe(-1);
    // the deletion comes to be on record, and what is committed in the new one stays
    const kept = async () => (await world.ask((machine) => answered([...machine.offsets.of("g").keys()]))).value;
    expect(await kept()).toEqual(["t", "u"]);
    world.topics = { ...world.topics, deletedTopics: new Map([[idOf("t"), "t"]]) };
    await world.move();
    await world.clock.advance(5);
    expect(await kept()).toEqual(["u"]);
    await world.commit({ offsets: { t: 3 } });
    await world.move();
    await world.clock.advance(5);
    expect(await world.offsets()).toEqual({ t: 3, u: 6 });
  });

  test("what is committed in the topic re-created is no victim of a tombstone that was refused before", async () => {
    const world = await World.loaded();
    await world.commit({ offsets: { t: 100 } });
    world.partition.refusal = "NOT_ENOUGH_REPLICAS";
    const { topics } = topicsView("t");
    world.topics = {
      ...topicsView(),
      topics: new Map([["t", { ...topics.get("t")!, id: idOf("anew") }]]),
      deletedTopics: new Map([[idOf("t"), "t"]]),
    };
    world.shard.runAll((machine, now) => machine.topicsChanged(new Set(["t"]), now));
    await world.clock.advance(10);
    world.partition.refusal = null;
    await world.commit({ offsets: { t: 3 } });
    await world.clock.advance(3_000);
    expect(await world.offsets()).toEqual({ t: 3 });
  });

  test("of a deleted topic, or expired, some in each turn of the loop", async () => {
    const world = await World.loaded();
    for (let group = 0; group < 2500; group++) await world.commit({ offsets: { t: 5, u: 6 } }, `g${group}`);
    world.topics = { ...topicsView("u"), deletedTopics: new Map([[idOf("t"), "t"]]) };
    const before = world.machine.offsets.size;
    world.shard.runAll((machine, now) => machine.topicsChanged(new Set(["t"]), now));
    await world.clock.advance(0);
    const inOneTurn = before - world.machine.offsets.size;
    expect(inOneTurn).toBeGreaterThan(100);
    expect(inOneTurn).toBeLessThan(1_001);
    expect(await world.offsets("g2499"), "nobody is told of them any more").toEqual({ u: 6 });
    await world.clock.advance(50);
    expect(world.machine.offsets.size).toBe(2500);
    await world.clock.advance(8 * dayMs);
    expect([world.machine.offsets.size, world.machine.groups.size]).toEqual([0, 0]);
  });

  test("of a topic that is deleted while those of another one are looked for", async () => {
    const world = await World.loaded();
    for (let group = 0; group < 1_000; group++) await world.commit({ offsets: { t: 5, u: 6 } }, `g${group}`);
    const remove = (deleted: readonly string[], topic: string) => {
      world.topics = { ...topicsView(), deletedTopics: new Map(deleted.map((name) => [idOf(name), name])) };
      world.shard.runAll((machine, now) => machine.topicsChanged(new Set([topic]), now));
    };
    remove(["t"], "t");
    await world.clock.advance(0);
    expect(world.machine.offsets.size).toBeGreaterThan(1_000);
    remove(["t", "u"], "u");
    await world.clock.advance(50);
    expect(world.machine.offsets.size).toBe(0);
  });

  test("when somebody deletes them, unless a member consumes the topic", async () => {
    const world = await World.loaded();
    await world.commit({ offsets: { t: 5, u: 6 } });
    await world.stableGroup(1, { protocols: [{ name: "range", metadata: subscription("t") }] });
    const topics = ["t", "u"].map((name) => ({ name, partitions: [{ partitionIndex: 0 }] }));
    const deleted = await world.ask((machine) => machine.deleteOffsets("g", topics));
    expect(deleted.value).toEqual({
      error: null,
      topics: [
        { name: "t", partitions: [{ partitionIndex: 0, errorCode: "GROUP_SUBSCRIBED_TO_TOPIC" }] },
        { name: "u", partitions: [{ partitionIndex: 0, errorCode: "NONE" }] },
      ],
    });
    expect(await world.offsets()).toEqual({ t: 5 });
    expect((await world.ask((machine) => machine.deleteOffsets("none", topics))).value).toEqual({ error: "GROUP_ID_NOT_FOUND" });
  });

  test("not while members are there whose needs nobody can tell", async () => {
    const world = await World.loaded();
    await world.commit({ offsets: { t: 5 } });
    await world.stableGroup(1, { protocolType: "connect", protocols: [{ name: "default", metadata: Buffer.from([1]) }] });
    const topics = [{ name: "t", partitions: [{ partitionIndex: 0 }] }];
    expect((await world.ask((machine) => machine.deleteOffsets("g", topics))).value).toEqual({ error: "NON_EMPTY_GROUP" });
    expect(await world.offsets()).toEqual({ t: 5 });
  });
});

describe("deleting a group", () => {
  test("takes its offsets along, and survives a move", async () => {
    const world = await World.loaded();
    const [a = ""] = await world.stableGroup(1);
    await world.commit({ memberId: a, generationIdOrMemberEpoch: 1, offsets: { t: 5 } });
    const remove = async (groupId: string) => (await world.ask((machine) => machine.deleteGroup(groupId))).value.errorCode;
    expect(await remove("g")).toBe("NON_EMPTY_GROUP");
    expect(await remove("none")).toBe("GROUP_ID_NOT_FOUND");
    await world.leave({ memberId: a, groupInstanceId: null });
    expect(await remove("g")).toBe("NONE");
    expect([await world.offsets(), world.describe().groupState]).toEqual([{}, "Dead"]);
    await world.move();
    expect([await world.offsets(), world.machine.groups.size]).toEqual([{}, 0]);
  });
});
