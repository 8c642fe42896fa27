import { describe, expect, test } from "vitest";
import { World } from "./world.ts";

describe("SyncGroup", () => {
  test("followers wait for the leader; everybody gets its own part, once the log has it", async () => {
    const world = await World.loaded();
    const joins = [await world.join({ clientId: "a" }), await world.join({ clientId: "b" })];
    await world.clock.advance(6_000);
    const [a = "", b = ""] = joins.map(({ value }) => value.memberId);
    const second = await world.sync(b, 1);
    world.partition.isReplicated = false;
    const first = await world.sync(a, 1, { [a]: "one", [b]: "two" });
    expect([first.isWaiting, second.isWaiting]).toEqual([true, true]);
    world.partition.commit();
    await world.clock.advance(0);
    expect(first.value).toMatchObject({ errorCode: "NONE", protocolType: "consumer", protocolName: "range" });
    expect([first, second].map(({ value }) => String(value.assignment))).toEqual(["one", "two"]);
    expect(world.describe()).toMatchObject({ groupState: "Stable", protocolData: "range" });
  });

  test("who asks again gets the same again, and an empty part where the leader gave none", async () => {
    const world = await World.loaded();
    const joins = [await world.join({ clientId: "a" }), await world.join({ clientId: "b" })];
    await world.clock.advance(6_000);
    const [a = "", b = ""] = joins.map(({ value }) => value.memberId);
    await world.sync(a, 1, { [a]: "one" });
    expect(String((await world.sync(a, 1)).value.assignment)).toBe("one");
    expect((await world.sync(b, 1)).value).toMatchObject({ errorCode: "NONE", assignment: Buffer.alloc(0) });
  });

  test("a refused append leaves the generation open: the leader may bring its division again", async () => {
    const world = await World.loaded();
    const join = await world.join();
    await world.clock.advance(3_000);
    const { memberId } = join.value;
    world.partition.refusal = "NOT_ENOUGH_REPLICAS";
    expect((await world.sync(memberId, 1, { [memberId]: "one" })).error).toBe("COORDINATOR_NOT_AVAILABLE");
    expect(world.describe().groupState).toBe("CompletingRebalance");
    world.partition.refusal = null;
    expect(String((await world.sync(memberId, 1, { [memberId]: "one" })).value.assignment)).toBe("one");
  });

  test("stale generations, strangers and other protocols are refused", async () => {
    const world = await World.loaded();
    const [a = ""] = await world.stableGroup(1);
    const errorOf = async (...of: Parameters<typeof world.sync>) => (await world.sync(...of)).value.errorCode;
    expect(await errorOf(a, 2)).toBe("ILLEGAL_GENERATION");
    expect(await errorOf("stranger", 1)).toBe("UNKNOWN_MEMBER_ID");
    expect(await errorOf(a, 1, {}, { protocolType: "connect", protocolName: "range" })).toBe("INCONSISTENT_GROUP_PROTOCOL");
    expect(await errorOf(a, 1, {}, { protocolType: "consumer", protocolName: "sticky" })).toBe("INCONSISTENT_GROUP_PROTOCOL");
    expect(await errorOf(a, 1, {}, { protocolType: "consumer", protocolName: "range" })).toBe("NONE");
    await world.join({ memberId: a, clientId: "again" });
    await world.join({ clientId: "b" });
    expect(await errorOf(a, 2)).toBe("REBALANCE_IN_PROGRESS");
  });

  test("a rebalance interrupts those who wait for their part", async () => {
    const world = await World.loaded();
    const joins = [await world.join({ clientId: "a" }), await world.join({ clientId: "b" })];
    await world.clock.advance(6_000);
    const waiting = await world.sync(joins[1]!.value.memberId, 1);
    await world.join({ clientId: "c" });
    expect(waiting.value.errorCode).toBe("REBALANCE_IN_PROGRESS");
  });

  test("a description says whom the rebalance waits for, and since when", async () => {
    const world = await World.loaded();
    const joins = [await world.join({ clientId: "a" }), await world.join({ clientId: "b" })];
    expect(world.describe()).toMatchObject({ groupState: "PreparingRebalance", members: [{ isAwaited: false }, { isAwaited: false }] });
    await world.clock.advance(6_000);
    const awaited = () => world.describe().members.flatMap(({ memberId, isAwaited }) => (isAwaited ? [memberId] : []));
    const [a = "", b = ""] = joins.map(({ value }) => value.memberId);
    expect(awaited(), "to ask for their parts").toEqual([a, b]);
    const sinceMs = world.describe().rebalanceSinceMs;
    expect(sinceMs).toBeGreaterThan(0);
    await world.clock.advance(1_000);
    await world.sync(b, 1);
    expect(awaited()).toEqual([a]);
    expect(world.describe().rebalanceSinceMs).toBe(sinceMs);
    await world.sync(a, 1, { [a]: "one", [b]: "two" });
    expect(world.describe()).toMatchObject({ groupState: "Stable", rebalanceSinceMs: -1, newcomers: 0 });
    expect(awaited()).toEqual([]);
    await world.join({ memberId: a, clientId: "a", rebalanceTimeoutMs: 60_000 });
    await world.join({ clientId: "c" });
    expect(awaited(), "to join again").toEqual([b]);
    expect(world.describe().rebalanceSinceMs).toBeGreaterThan(sinceMs);
  });

  test("members that joined and never ask for their part are thrown out with the rebalance timeout", async () => {
    const world = await World.loaded();
    const timeouts = { rebalanceTimeoutMs: 20_000, sessionTimeoutMs: 120_000 };
    const joins = [await world.join({ clientId: "a", ...timeouts }), await world.join({ clientId: "b", ...timeouts })];
    await world.clock.advance(6_000);
    const [a = "", b = ""] = joins.map(({ value }) => value.memberId);
    await world.sync(a, 1, {});
    await world.clock.advance(19_900);
    expect(world.describe().members).toHaveLength(2);
    await world.clock.advance(200);
    expect(world.describe().groupState).toBe("PreparingRebalance");
    expect(world.describe().members.map(({ memberId }) => memberId)).toEqual([a]);
    expect(await world.heartbeat(b, 1)).toBe("UNKNOWN_MEMBER_ID");
  });
});

describe("sessions", () => {
  test("a member that is not heard of within its session timeout is out, and the others rebalance", async () => {
    const world = await World.loaded();
    const [a = "", b = ""] = await world.stableGroup(2);
    await world.clock.advance(9_000);
    expect(await world.heartbeat(a, 1)).toBe("NONE");
    await world.clock.advance(1_100);
    expect(await world.heartbeat(a, 1)).toBe("REBALANCE_IN_PROGRESS");
    expect(await world.heartbeat(b, 1)).toBe("UNKNOWN_MEMBER_ID");
    const again = await world.join({ memberId: a });
    expect(again.value).toMatchObject({ generationId: 2, leader: a });
  });

  test("a commit is a sign of life", async () => {
    const world = await World.loaded();
    const [a = ""] = await world.stableGroup(1);
    await world.clock.advance(9_000);
    await world.commit({ memberId: a, generationIdOrMemberEpoch: 1, offsets: { t: 5 } });
    await world.clock.advance(9_000);
    expect(await world.heartbeat(a, 1)).toBe("NONE");
  });

  test("members that wait for a rebalance cannot be heard of and are not thrown out for it", async () => {
    const world = await World.loaded();
    const [a = ""] = await world.stableGroup(2, { rebalanceTimeoutMs: 60_000, sessionTimeoutMs: 20_000 });
    const again = await world.join({ memberId: a, rebalanceTimeoutMs: 60_000, sessionTimeoutMs: 6_000 });
    await world.clock.advance(19_000);
    expect(again.isWaiting).toBe(true);
    await world.clock.advance(1_500); // the other one's session ends
    expect(again.value).toMatchObject({ errorCode: "NONE", generationId: 2 });
  });

  test("the last session's end leaves an empty group, whose generation the log has", async () => {
    const world = await World.loaded();
    const [a = ""] = await world.stableGroup(1);
    await world.clock.advance(10_000);
    expect(world.describe().groupState).toBe("Empty");
    await world.move();
    expect(world.describe()).toMatchObject({ groupState: "Empty", protocolType: "consumer", members: [] });
    const join = await world.join();
    await world.clock.advance(3_000);
    expect(join.value.generationId).toBe(3);
    expect(join.value.memberId).not.toBe(a);
  });

  test("an empty group's record that is refused is tried again", async () => {
    const world = await World.loaded();
    await world.stableGroup(1);
    world.partition.refusal = "NOT_ENOUGH_REPLICAS";
    await world.clock.advance(11_000);
    expect(world.describe()).toMatchObject({ groupState: "PreparingRebalance", members: [] });
    world.partition.refusal = null;
    await world.clock.advance(2_000);
    expect(world.describe().groupState).toBe("Empty");
  });

  test("after a move every member has its whole session timeout again", async () => {
    const world = await World.loaded();
    const [a = "", b = ""] = await world.stableGroup(2);
    await world.clock.advance(9_500);
    await world.move();
    await world.clock.advance(9_500);
    expect(await world.heartbeat(a, 1)).toBe("NONE");
    await world.clock.advance(600);
    expect(await world.heartbeat(b, 1)).toBe("UNKNOWN_MEMBER_ID");
    expect(world.describe().members.map(({ memberId }) => memberId)).toEqual([a]);
  });
});

describe("LeaveGroup", () => {
  test("several leave at once, each with its own answer, and the rest rebalance", async () => {
    const world = await World.loaded();
    const [a = "", b = "", c = ""] = await world.stableGroup(3);
    const left = await world.leave({ memberId: b, groupInstanceId: null }, { memberId: "nobody", groupInstanceId: null });
    expect(left.value.map(({ errorCode }) => errorCode)).toEqual(["NONE", "UNKNOWN_MEMBER_ID"]);
    expect(world.describe().groupState).toBe("PreparingRebalance");
    expect(world.describe().members.map(({ memberId }) => memberId)).toEqual([a, c]);
  });

  test("a static member is taken out by its instance, and fenced under another id", async () => {
    const world = await World.loaded();
    await world.stableGroup(1, { groupInstanceId: "i" });
    const codes = async (memberId: string, groupInstanceId: string) =>
      (await world.leave({ memberId, groupInstanceId })).value.map(({ errorCode }) => errorCode);
    expect(await codes("other", "i")).toEqual(["FENCED_INSTANCE_ID"]);
    expect(await codes("", "nobody")).toEqual(["UNKNOWN_MEMBER_ID"]);
    expect(await codes("", "i")).toEqual(["NONE"]);
    expect(world.describe().groupState).toBe("Empty");
  });

  test("who waits in a join and leaves is answered", async () => {
    const world = await World.loaded();
    const [a = ""] = await world.stableGroup(2);
    const joining = await world.join({ memberId: a });
    await world.leave({ memberId: a, groupInstanceId: null });
    expect(joining.value.errorCode).toBe("UNKNOWN_MEMBER_ID");
  });

  test("an id that was handed out may be given back", async () => {
    const world = await World.loaded();
    const { memberId } = (await world.join({ mustKnowItsId: true })).value;
    expect((await world.leave({ memberId, groupInstanceId: null })).value).toMatchObject([{ errorCode: "NONE" }]);
    expect(world.machine.groups.size).toBe(0);
  });
});

describe("Heartbeat", () => {
  test("strangers and stale generations are told so", async () => {
    const world = await World.loaded();
    const [a = ""] = await world.stableGroup(1);
    expect(await world.heartbeat("stranger", 1)).toBe("UNKNOWN_MEMBER_ID");
    expect(await world.heartbeat(a, 7)).toBe("ILLEGAL_GENERATION");
    expect(await world.heartbeat(a, 1)).toBe("NONE");
  });
});

describe("after a move", () => {
  test("members, generation, leader and parts are as they were", async () => {
    const world = await World.loaded();
    const [a = "", b = ""] = await world.stableGroup(2, { clientHost: "/10.1.2.3" });
    const before = world.describe();
    await world.move();
    expect(world.describe()).toEqual(before);
    expect(String((await world.sync(b, 1)).value.assignment)).toBe("part 1");
    expect((await world.join({ memberId: a, clientHost: "/10.1.2.3" })).isWaiting).toBe(true); // it leads still
  });

  test("a generation that no member got its part of is not remembered", async () => {
    const world = await World.loaded();
    const [a = ""] = await world.stableGroup(1);
    const again = await world.join({ memberId: a });
    expect(again.value.generationId).toBe(2);
    await world.move();
    expect(await world.heartbeat(a, 2)).toBe("ILLEGAL_GENERATION");
    expect(await world.heartbeat(a, 1)).toBe("NONE");
  });
});
