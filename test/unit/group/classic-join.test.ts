import { describe, expect, test } from "vitest";
import type { ClassicGroup } from "../../../broker/group/classic/classic-group.ts";
import { subscription, World } from "./world.ts";

const protocols = (...names: string[]) => names.map((name) => ({ name, metadata: subscription("t") }));

describe("joining a classic group", () => {
  test("the first rebalance waits for more members, longer each time one comes, up to the rebalance timeout", async () => {
    const world = await World.loaded();
    const first = await world.join({ clientId: "a", rebalanceTimeoutMs: 7_000 });
    await world.clock.advance(2_900);
    const second = await world.join({ clientId: "b", rebalanceTimeoutMs: 7_000 });
    await world.clock.advance(3_000);
    expect(first.isWaiting).toBe(true);
    const third = await world.join({ clientId: "c", rebalanceTimeoutMs: 7_000 });
    await world.clock.advance(1_000); // 6.9 s: two delays are over, one second is left of the seven
    expect(first.isWaiting).toBe(true);
    await world.clock.advance(200);
    for (const joined of [first, second, third]) expect(joined.value).toMatchObject({ errorCode: "NONE", generationId: 1 });
  });

  test("the leader alone gets the members, and everybody the same leader, generation and protocol", async () => {
    const world = await World.loaded();
    const first = await world.join({ clientId: "a", protocols: [{ name: "range", metadata: Buffer.from("of a") }] });
    const second = await world.join({ clientId: "b", protocols: [{ name: "range", metadata: Buffer.from("of b") }] });
    await world.clock.advance(6_000);
    const leader = first.value.memberId;
    expect(first.value).toMatchObject({ leader, protocolName: "range", protocolType: "consumer", skipAssignment: false });
    expect(first.value.members.map(({ metadata }) => String(metadata))).toEqual(["of a", "of b"]);
    expect(second.value).toMatchObject({ leader, generationId: 1, protocolName: "range", members: [] });
  });

  test("however many members wait already, one more costs no look at each of them", async () => {
    const world = await World.loaded({ groupMaxSize: 1_000 }, { waitingMax: 1_000 });
    await world.join();
    const members = (world.machine.groups.get("g") as ClassicGroup).members;
    let looks = 0;
    const values = members.values.bind(members);
    members.values = () => {
      looks++;
      return values();
    };
    for (let n = 0; n < 200; n++) await world.join({ protocols: protocols("other", "range") });
    expect((await world.join({ protocols: protocols("other") })).value.errorCode).toBe("INCONSISTENT_GROUP_PROTOCOL");
    expect([members.size, looks]).toEqual([201, 0]);
  });

  test("a generation of very many members is told to some of them in each turn, and to all in the end", async () => {
    const world = await World.loaded({ groupMaxSize: 5_000 }, { waitingMax: 5_000 });
    const joins = await Promise.all(Array.from({ length: 1_800 }, () => world.join()));
    const told = () => joins.filter(({ isWaiting }) => !isWaiting).length;
    const turns: number[] = [];
    const schedule = world.clock.schedule.bind(world.clock);
    world.clock.schedule = (delayMs, callback) => {
      if (delayMs === 0) turns.push(told());
      return schedule(delayMs, callback);
    };
    await world.clock.advance(6_000);
    expect(turns).toEqual([0, 500, 1_000]);
    expect(told()).toBe(1_800);
    expect(new Set(joins.map(({ value }) => value.errorCode))).toEqual(new Set(["NONE"]));
  });

  test("who has not been told of its generation when the leadership ends asks somewhere else", async () => {
    const world = await World.loaded({ groupMaxSize: 5_000 }, { waitingMax: 5_000 });
    const joins = await Promise.all(Array.from({ length: 1_200 }, () => world.join()));
    const schedule = world.clock.schedule.bind(world.clock);
    world.clock.schedule = (delayMs, callback) => {
      if (delayMs === 0) world.shard.end();
      return schedule(delayMs, callback);
    };
    await world.clock.advance(6_000);
    const errors = joins.map(({ error }) => error);
    expect([errors.filter((error) => error === null).length, errors.filter((error) => error === "NOT_COORDINATOR").length]).toEqual([
      500, 700,
    ]);
  });

  test("a member must come back with the id it was given, from version 4 on", async () => {
    const world = await World.loaded();
    const first = await world.join({ mustKnowItsId: true });
    expect(first.value).toMatchObject({ errorCode: "MEMBER_ID_REQUIRED" });
    const { memberId } = first.value;
    expect(memberId).toMatch(/^client-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-/);
    const second = await world.join({ memberId, mustKnowItsId: true });
    await world.clock.advance(3_000);
    expect(second.value).toMatchObject({ errorCode: "NONE", memberId, generationId: 1 });
  });

  test("an id that nobody comes back with is forgotten with the session timeout, and the group with it", async () => {
    const world = await World.loaded();
    const { memberId } = (await world.join({ mustKnowItsId: true })).value;
    expect(world.machine.groups.size).toBe(1);
    await world.clock.advance(10_000);
    expect(world.machine.groups.size).toBe(0);
    expect((await world.join({ memberId, mustKnowItsId: true })).value.errorCode).toBe("UNKNOWN_MEMBER_ID");
    expect(world.partition.appends).toBe(0);
  });

  test("a member has no more protocols than can be compared with those of all others", async () => {
    const world = await World.loaded();
    const names = (from: number, count: number) => protocols(...Array.from({ length: count }, (_, i) => `p${from + i}`));
    expect((await world.join({ protocols: names(0, 101) })).value.errorCode).toBe("INVALID_REQUEST");
    expect((await world.join({ protocols: names(0, 100) })).isWaiting).toBe(true);
  });

  test("members whose protocols take more than there is memory for are asked to come again, those that are there are not", async () => {
    const world = await World.loaded({}, {}, 100_000);
    const blob = (bytes: number) => [{ name: "range", metadata: Buffer.alloc(bytes) }];
    const first = await world.join({ clientId: "a", protocols: blob(60_000) });
    expect((await world.join({ clientId: "b", protocols: blob(60_000) })).value.errorCode).toBe("COORDINATOR_NOT_AVAILABLE");
    expect((await world.join({ clientId: "b", protocols: blob(60_000) }, "another")).value.errorCode).toBe("COORDINATOR_NOT_AVAILABLE");
    const small = await world.join({ clientId: "c", protocols: blob(10_000) });
    await world.clock.advance(6_000);
    const { memberId } = first.value;
    expect([first.value.errorCode, small.value.errorCode]).toEqual(["NONE", "NONE"]);
    expect((await world.join({ memberId, protocols: blob(100_000) })).value.errorCode, "not more than there is").toBe(
      "COORDINATOR_NOT_AVAILABLE",
    );
    expect((await world.join({ memberId, protocols: blob(60_000) })).value.errorCode, "as much as it had").toBe("NONE");
    await world.clock.advance(120_000);
    expect(world.memberMemory.usedBytes, "both sessions are over").toBe(0);
  });

  test("a rebalance waits for ids that were handed out", async () => {
    const world = await World.loaded();
    const [old = ""] = await world.stableGroup(1);
    const { memberId } = (await world.join({ mustKnowItsId: true })).value;
    await world.join({ clientId: "third" });
    expect(await world.heartbeat(old, 1)).toBe("REBALANCE_IN_PROGRESS");
    const again = await world.join({ memberId: old });
    expect(again.isWaiting).toBe(true);
    await world.join({ memberId, mustKnowItsId: true });
    expect(again.value).toMatchObject({ generationId: 2 });
    expect(world.describe().members).toHaveLength(3);
  });

  test("session timeouts outside the broker's bounds are refused", async () => {
    const world = await World.loaded();
    for (const sessionTimeoutMs of [5_999, 1_800_001])
      expect((await world.join({ sessionTimeoutMs })).value.errorCode).toBe("INVALID_SESSION_TIMEOUT");
    expect(world.machine.groups.size).toBe(0);
  });

  test("a member without a protocol in common with all is refused, as is one of another type, or with none", async () => {
    const world = await World.loaded();
    await world.join({ protocols: protocols("a", "b") });
    await world.join({ protocols: protocols("b", "c") });
    for (const bad of [{ protocols: protocols("a") }, { protocols: protocols("c") }, { protocolType: "connect" }, { protocols: [] }])
      expect((await world.join(bad)).value.errorCode).toBe("INCONSISTENT_GROUP_PROTOCOL");
    expect((await world.join({ protocols: [], clientId: "x" }, "other")).value.errorCode).toBe("INCONSISTENT_GROUP_PROTOCOL");
  });

  test("members vote for the protocol; only those that all have count", async () => {
    const world = await World.loaded();
    const first = await world.join({ protocols: protocols("only-a", "y", "x") });
    await world.join({ protocols: protocols("x", "y") });
    await world.join({ protocols: protocols("x", "y", "only-c") });
    await world.clock.advance(6_000);
    expect(first.value.protocolName).toBe("x");
  });

  test("a full group refuses newcomers and keeps its members", async () => {
    const world = await World.loaded({ groupMaxSize: 2 });
    const [a = "", b = ""] = await world.stableGroup(2);
    expect((await world.join({ clientId: "third" })).value).toMatchObject({ errorCode: "GROUP_MAX_SIZE_REACHED", memberId: "" });
    expect((await world.join({ memberId: b })).value).toMatchObject({ errorCode: "NONE", generationId: 1 });
    expect((await world.join({ memberId: a })).isWaiting).toBe(true);
  });

  test("a follower that joins again unchanged is told what it missed; the leader's joining again begins a rebalance", async () => {
    const world = await World.loaded();
    const [leader = "", follower = ""] = await world.stableGroup(2);
    expect((await world.join({ memberId: follower })).value).toMatchObject({ generationId: 1, leader, members: [] });
    expect(world.describe().groupState).toBe("Stable");
    const led = await world.join({ memberId: leader });
    expect(world.describe().groupState).toBe("PreparingRebalance");
    await world.join({ memberId: follower });
    expect(led.value).toMatchObject({ generationId: 2 });
  });

  test("a follower with other topics begins a rebalance", async () => {
    const world = await World.loaded();
    const [, follower = ""] = await world.stableGroup(2);
    await world.join({ memberId: follower, protocols: [{ name: "range", metadata: subscription("t", "u") }] });
    expect(world.describe().groupState).toBe("PreparingRebalance");
  });

  test("who does not join again within the rebalance timeout is left behind", async () => {
    const world = await World.loaded();
    const [a = "", b = ""] = await world.stableGroup(2, { rebalanceTimeoutMs: 20_000, sessionTimeoutMs: 30_000 });
    const again = await world.join({ memberId: a, rebalanceTimeoutMs: 20_000, sessionTimeoutMs: 30_000 });
    await world.clock.advance(19_900);
    expect(again.isWaiting).toBe(true);
    await world.clock.advance(200);
    expect(again.value).toMatchObject({ generationId: 2, leader: a });
    expect(again.value.members).toHaveLength(1);
    expect(await world.heartbeat(b, 1)).toBe("UNKNOWN_MEMBER_ID");
  });

  test("a join that its client gave up is answered, and the one that replaces it counts", async () => {
    const world = await World.loaded();
    const [leader = "", follower = ""] = await world.stableGroup(2);
    const first = await world.join({ memberId: leader });
    const second = await world.join({ memberId: leader });
    expect(first.value.errorCode).toBe("REBALANCE_IN_PROGRESS");
    await world.join({ memberId: follower });
    expect(second.value).toMatchObject({ errorCode: "NONE", generationId: 2 });
  });
});

describe("static members", () => {
  test("one that restarts takes its old place, and nobody else notices", async () => {
    const world = await World.loaded();
    const [leader = ""] = await world.stableGroup(1, { groupInstanceId: "i" });
    const back = await world.join({ groupInstanceId: "i", canSkipAssignment: true });
    const { memberId } = back.value;
    expect(memberId).not.toBe(leader);
    expect(memberId.startsWith("i-")).toBe(true);
    expect(back.value).toMatchObject({ generationId: 1, leader: memberId, skipAssignment: true });
    expect(back.value.members).toHaveLength(1);
    expect((await world.sync(memberId, 1, {}, { groupInstanceId: "i" })).value.assignment.toString()).toBe("part 0");
    expect(await world.heartbeat(leader, 1, "i")).toBe("FENCED_INSTANCE_ID");
    expect(world.describe().groupState).toBe("Stable");
  });

  test("a returning leader that cannot skip the assignment is told that its former self leads", async () => {
    const world = await World.loaded();
    const [leader = ""] = await world.stableGroup(1, { groupInstanceId: "i" });
    const back = await world.join({ groupInstanceId: "i" });
    expect(back.value).toMatchObject({ generationId: 1, leader, skipAssignment: false, members: [] });
  });

  test("its new id is in the log before it is told", async () => {
    const world = await World.loaded();
    await world.stableGroup(1, { groupInstanceId: "i" });
    world.partition.isReplicated = false;
    const back = await world.join({ groupInstanceId: "i", canSkipAssignment: true });
    expect(back.isWaiting).toBe(true);
    await world.move(world.partition.endOffset);
    world.partition.commit();
    for (let i = 0; i < 5; i++) await world.clock.advance(0);
    const [member] = world.describe().members;
    expect(await world.heartbeat(member!.memberId, 1, "i")).toBe("NONE");
    expect(back.error).toBe("NOT_COORDINATOR");
  });

  test("while its new id cannot be stored, the old one stays", async () => {
    const world = await World.loaded();
    const [leader = ""] = await world.stableGroup(1, { groupInstanceId: "i" });
    world.partition.refusal = "NOT_ENOUGH_REPLICAS";
    expect((await world.join({ groupInstanceId: "i" })).error).toBe("COORDINATOR_NOT_AVAILABLE");
    expect(await world.heartbeat(leader, 1, "i")).toBe("NONE");
  });

  test("one that comes back with other protocols begins a rebalance", async () => {
    const world = await World.loaded();
    await world.stableGroup(1, { groupInstanceId: "i", protocols: protocols("a", "b") });
    const back = await world.join({ groupInstanceId: "i", protocols: protocols("b", "a") });
    expect(back.value).toMatchObject({ generationId: 2, protocolName: "b" });
  });

  test("whoever waited under the old id is fenced", async () => {
    const world = await World.loaded();
    const old = await world.join({ groupInstanceId: "i" });
    const back = await world.join({ groupInstanceId: "i" });
    expect(old.value.errorCode).toBe("FENCED_INSTANCE_ID");
    await world.clock.advance(6_000);
    expect(back.value).toMatchObject({ errorCode: "NONE", generationId: 1 });
    expect(back.value.members).toHaveLength(1);
  });

  test("one that misses a rebalance keeps its place until its session ends", async () => {
    const world = await World.loaded();
    const first = await world.join({ groupInstanceId: "i", sessionTimeoutMs: 60_000, rebalanceTimeoutMs: 5_000 });
    const second = await world.join({ clientId: "b", rebalanceTimeoutMs: 5_000 });
    await world.clock.advance(6_000);
    const [away, here] = [first.value.memberId, second.value.memberId];
    await world.sync(here, 1);
    await world.sync(away, 1, {}, { groupInstanceId: "i" });
    const again = await world.join({ memberId: here, rebalanceTimeoutMs: 5_000, protocols: protocols("range", "more") });
    await world.clock.advance(5_100);
    expect(again.value).toMatchObject({ generationId: 2, leader: here });
    expect(again.value.members.map(({ memberId }) => memberId).sort()).toEqual([away, here].sort());
  });

  test("an instance that nobody is, and an id that is not the instance's", async () => {
    const world = await World.loaded();
    const [a = ""] = await world.stableGroup(1, { groupInstanceId: "i" });
    expect(await world.heartbeat(a, 1, "nobody")).toBe("UNKNOWN_MEMBER_ID");
    expect(await world.heartbeat("other", 1, "i")).toBe("FENCED_INSTANCE_ID");
    expect((await world.join({ memberId: "other", groupInstanceId: "i" })).value.errorCode).toBe("FENCED_INSTANCE_ID");
  });
});
