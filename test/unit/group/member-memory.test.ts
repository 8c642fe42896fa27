import { describe, expect, test } from "vitest";
import type { ConsumerGroupHeartbeatRequest } from "../../../protocol/messages/consumer-group-heartbeat.ts";
import { silent } from "./consumer/test-shard.ts";
import { topicsView, World } from "./world.ts";

/** Room for two or three members that say little of themselves. */
const littleBytes = 12_000;

function bounded(memberBytesMax: number): Promise<World> {
  return World.loaded({}, {}, memberBytesMax);
}

const joining = { memberEpoch: 0, rebalanceTimeoutMs: 60_000, subscribedTopicNames: ["t"], topicPartitions: [] };
const from = { clientId: "client", clientHost: "/10.0.0.9", apiVersion: 1 };

async function heartbeat(world: World, request: Partial<ConsumerGroupHeartbeatRequest>) {
  const full = { ...silent, groupId: "g", ...request };
  return (await world.ask((machine, now) => machine.consumer.heartbeat(full, from, now))).value;
}

const join = (world: World, memberId: string, more: Partial<ConsumerGroupHeartbeatRequest> = {}) =>
  heartbeat(world, { ...joining, memberId, ...more });

/** As many groups as there is memory for, of one member each. */
async function fill(world: World): Promise<string[]> {
  for (let i = 0; ; i++) {
    const { errorCode } = await join(world, "m", { groupId: `filler ${i}` });
    if (errorCode !== "NONE") return [...Array(i).keys()].map((each) => `filler ${each}`);
  }
}

describe("members of consumer groups", () => {
  test("are counted for as long as they are members, by whoever coordinates", async () => {
    const world = await bounded(Number.POSITIVE_INFINITY);
    const before = world.memberMemory.usedBytes;
    await join(world, "a", { rackId: "rack", instanceId: "i" });
    const one = world.memberMemory.usedBytes;
    await join(world, "b", { subscribedTopicNames: Array.from({ length: 1_000 }, (_, i) => `topic ${i}`) });
    await join(world, "c", { subscribedTopicNames: [], subscribedTopicRegex: "t|u" });
    await world.clock.advance(1_000);
    const all = world.memberMemory.usedBytes;
    expect(all - one).toBeGreaterThan(70_000);
    expect(all - one).toBeLessThan(300_000);
    await world.move();
    expect(world.memberMemory.usedBytes, "read from the log").toBe(all);
    world.shard.end();
    expect(world.memberMemory.usedBytes, "nothing is coordinated here").toBe(before);
    await world.move();
    await world.clock.advance(60_000);
    expect(world.machine.groups.get("g")?.isEmpty, "all sessions are over").toBe(true);
    await world.ask((machine) => machine.deleteGroup("g"));
    expect(world.memberMemory.usedBytes).toBe(0);
  });

  test("beyond what there is memory for are told to come again, those that are there go on", async () => {
    const world = await bounded(littleBytes);
    const [first = "", second = ""] = await fill(world);
    expect(await join(world, "m")).toMatchObject({ errorCode: "COORDINATOR_NOT_AVAILABLE", memberId: null });
    expect(world.machine.groups.get("g"), "nothing is left of it").toBe(undefined);
    const going = (groupId: string, more: Partial<ConsumerGroupHeartbeatRequest> = {}) =>
      heartbeat(world, { groupId, memberId: "m", memberEpoch: 1, ...more });
    expect(await going(first)).toMatchObject({ errorCode: "NONE" });
    const much = Array.from({ length: 500 }, (_, i) => `topic ${i}`);
    expect(await going(first, { subscribedTopicNames: much })).toMatchObject({ errorCode: "COORDINATOR_NOT_AVAILABLE" });
    expect(await going(first, { subscribedTopicNames: ["u"] })).toMatchObject({ errorCode: "NONE" });
    expect(await heartbeat(world, { groupId: second, memberId: "m", memberEpoch: -1 })).toMatchObject({ errorCode: "NONE" });
    await world.ask((machine) => machine.deleteGroup(second));
    expect(await join(world, "m")).toMatchObject({ errorCode: "NONE" });
  });

  test("of a group that would hold too many partitions are refused before it does", async () => {
    const world = await bounded(500_000);
    const partitions = Array.from({ length: 10_000 }, (_, partition) => ({ partition, replicas: [1] }));
    const view = topicsView("t", "large");
    const large = { ...view.topics.get("large")!, partitions };
    world.topics = { ...view, topics: new Map([...view.topics, ["large", large]]) };
    expect(await join(world, "m", { subscribedTopicNames: ["large"] })).toMatchObject({ errorCode: "COORDINATOR_NOT_AVAILABLE" });
    // what an expression matches is found out later
    expect(await join(world, "m", { subscribedTopicNames: [], subscribedTopicRegex: "l.*|t" })).toMatchObject({ errorCode: "NONE" });
    await world.clock.advance(5_000);
    expect(await heartbeat(world, { memberId: "m", memberEpoch: 1 })).toMatchObject({ errorCode: "NONE", memberEpoch: 1 });
    expect(world.memberMemory.usedBytes).toBeLessThan(20_000);
    world.topics = view;
    await world.clock.advance(30_000);
    const { assignment } = await heartbeat(world, { memberId: "m", memberEpoch: 1 });
    expect(assignment?.topicPartitions, "once there is room, it has both").toHaveLength(2);
  });
});

describe("classic members", () => {
  const protocols = [{ name: "range", metadata: Buffer.alloc(10) }];
  const askId = (world: World, groupId: string) => world.join({ protocols, mustKnowItsId: true }, groupId);

  test("that have only asked for an id are counted until it is over, and refused beyond what there is memory for", async () => {
    const world = await bounded(littleBytes);
    const answers = [];
    for (let i = 0; i < 100; i++) answers.push((await askId(world, `g${i % 10}`)).value);
    const given = answers.filter(({ errorCode }) => errorCode === "MEMBER_ID_REQUIRED");
    expect(given.length).toBeGreaterThan(5);
    expect(new Set(answers.slice(given.length).map(({ errorCode }) => errorCode))).toEqual(new Set(["COORDINATOR_NOT_AVAILABLE"]));
    expect(world.memberMemory.usedBytes).toBeLessThanOrEqual(littleBytes);
    const before = world.memberMemory.usedBytes;
    const gone = await world.ask((machine, now) =>
      machine.classic.leave("g0", [{ memberId: given[0]?.memberId ?? "", groupInstanceId: null }], now),
    );
    expect(gone.value[0]?.errorCode).toBe("NONE");
    expect(world.memberMemory.usedBytes).toBeLessThan(before);
    await world.clock.advance(11_000);
    expect(world.memberMemory.usedBytes, "nobody came back with an id").toBe(0);
    expect((await askId(world, "g")).value.errorCode).toBe("MEMBER_ID_REQUIRED");
    world.shard.end();
    expect(world.memberMemory.usedBytes).toBe(0);
  });

  test("are assigned no more than there is memory for", async () => {
    const world = await bounded(littleBytes);
    const asked = await world.join({ protocols });
    await world.clock.advance(3_000);
    const { memberId } = asked.value;
    const assigned = (bytes: number) => world.sync(memberId, 1, { [memberId]: "x".repeat(bytes) });
    expect((await assigned(20_000)).value.errorCode).toBe("COORDINATOR_NOT_AVAILABLE");
    expect((await assigned(5_000)).value.errorCode).toBe("NONE");
    expect(world.memberMemory.usedBytes).toBeGreaterThan(5_000);
    await world.leave({ memberId, groupInstanceId: null });
    expect(world.memberMemory.usedBytes).toBe(0);
  });
});
