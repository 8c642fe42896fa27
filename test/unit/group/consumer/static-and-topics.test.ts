import { describe, expect, test } from "vitest";
import { assigned, settle } from "./settle.ts";
import { byTopic, groupId, idOf, owned, TestShard, topicsView } from "./test-shard.ts";

describe("static members", () => {
  test("one that leaves for now keeps its partitions and gets them back under a new member id, without a rebalance", () => {
    const shard = new TestShard({ apples: 4 });
    shard.join("old", ["apples"], { instanceId: "left" });
    shard.join("other", ["apples"], { instanceId: "right" });
    const epochs = settle(shard, { old: 1, other: 2 });
    const { apples } = assigned(shard).old!;
    const { groupEpoch } = shard.describe();
    expect(shard.heartbeat({ memberId: "old", memberEpoch: -2, instanceId: "left" })).toMatchObject({ errorCode: "NONE", memberEpoch: -2 });
    expect(shard.heartbeat({ memberId: "other", memberEpoch: epochs.other! }).assignment).toBeNull();

    const back = shard.join("new", ["apples"], { instanceId: "left" });
    expect(back).toMatchObject({ errorCode: "NONE", memberId: "new", memberEpoch: epochs.old });
    expect(byTopic(back.assignment)).toEqual({ apples });
    expect(shard.describe()).toMatchObject({ groupEpoch, groupState: "Stable" });
    expect(
      shard
        .describe()
        .members.map(({ memberId }) => memberId)
        .sort(),
    ).toEqual(["new", "other"]);
    const stale = { memberId: "old", memberEpoch: epochs.old!, instanceId: "left" };
    expect(shard.heartbeat(stale).errorCode).toBe("FENCED_INSTANCE_ID");
    expect(shard.heartbeat({ ...stale, memberEpoch: -1 }).errorCode).toBe("FENCED_INSTANCE_ID");
  });

  test("one may come back under its old member id, and with another subscription", () => {
    const shard = new TestShard({ apples: 2, bananas: 1 });
    shard.join("same", ["apples"], { instanceId: "left" });
    shard.heartbeat({ memberId: "same", memberEpoch: -2, instanceId: "left" });
    const back = shard.join("same", ["bananas"], { instanceId: "left" });
    expect(back).toMatchObject({ errorCode: "NONE", memberEpoch: 2 });
    expect(byTopic(back.assignment)).toEqual({ bananas: [0] });
    shard.reload();
    expect(assigned(shard)).toEqual({ same: { bananas: [0] } });
  });

  test("nobody takes an instance id from a member that is there, and nobody uses one that nobody has", () => {
    const shard = new TestShard({ apples: 2 });
    shard.join("old", ["apples"], { instanceId: "left" });
    expect(shard.join("new", ["apples"], { instanceId: "left" }).errorCode).toBe("UNRELEASED_INSTANCE_ID");
    expect(shard.heartbeat({ memberId: "old", memberEpoch: 1, instanceId: "right" }).errorCode).toBe("UNKNOWN_MEMBER_ID");
  });

  test("one that does not come back within its session is out", () => {
    const shard = new TestShard({ apples: 2 });
    shard.join("old", ["apples"], { instanceId: "left" });
    shard.join("other", ["apples"]);
    settle(shard, { old: 1, other: 2 });
    shard.heartbeat({ memberId: "old", memberEpoch: -2, instanceId: "left" });
    shard.advance(40_000);
    shard.heartbeat({ memberId: "other", memberEpoch: 2 });
    shard.advance(5_000);
    expect(byTopic(shard.heartbeat({ memberId: "other", memberEpoch: 2 }).assignment)).toEqual({ apples: [0, 1] });
    expect(shard.join("new", ["apples"], { instanceId: "left" }).errorCode).toBe("NONE");
  });

  test("a full group takes one back all the same", () => {
    const shard = new TestShard({ apples: 2 }, { membersMax: 1 });
    shard.join("old", ["apples"], { instanceId: "left" });
    shard.heartbeat({ memberId: "old", memberEpoch: -2, instanceId: "left" });
    expect(shard.join("new", ["apples"], { instanceId: "left" }).errorCode).toBe("NONE");
  });
});

describe("topics and subscriptions", () => {
  test("partitions that are added are given out, at the next heartbeat", () => {
    const shard = new TestShard({ apples: 1 });
    shard.join("first", ["apples"]);
    shard.changeTopics(topicsView({ apples: 3 }));
    const answer = shard.heartbeat({ memberId: "first", memberEpoch: 1 });
    expect(answer.memberEpoch).toBe(2);
    expect(byTopic(answer.assignment)).toEqual({ apples: [0, 1, 2] });
  });

  test("a change of a topic that nobody here reads raises no epoch", () => {
    const shard = new TestShard({ apples: 1, bananas: 1 });
    shard.join("first", ["apples"]);
    shard.changeTopics(topicsView({ apples: 1, bananas: 5, cherries: 1 }));
    expect(shard.heartbeat({ memberId: "first", memberEpoch: 1 }).memberEpoch).toBe(1);
  });

  test("a topic that was deleted and made again is another one: the old partitions are given up first", () => {
    const shard = new TestShard({ apples: 1 });
    shard.join("first", ["apples"]);
    shard.changeTopics(topicsView({ apples: 1 }, { apples: idOf("again") }));
    expect(byTopic(shard.heartbeat({ memberId: "first", memberEpoch: 1 }).assignment)).toEqual({});
    const answer = shard.heartbeat({ memberId: "first", memberEpoch: 1, topicPartitions: [] });
    expect(answer.memberEpoch).toBe(2);
    expect(byTopic(answer.assignment)).toEqual({ again: [0] });
  });

  test("a broker that knows of no topics yet takes nothing away", () => {
    const shard = new TestShard({ apples: 2 });
    shard.join("first", ["apples"]);
    shard.topics.current = topicsView({});
    shard.reload();
    expect(shard.heartbeat({ memberId: "first", memberEpoch: 1 })).toMatchObject({ memberEpoch: 1, assignment: null });
  });

  test("a member that subscribes to something else gives up and gets in its turn", () => {
    const shard = new TestShard({ apples: 1, bananas: 1 });
    shard.join("first", ["apples"]);
    const revoke = shard.heartbeat({
      memberId: "first",
      memberEpoch: 1,
      subscribedTopicNames: ["bananas"],
      topicPartitions: owned({ apples: [0] }),
    });
    expect(byTopic(revoke.assignment)).toEqual({});
    expect(revoke.memberEpoch).toBe(1);
    const given = shard.heartbeat({ memberId: "first", memberEpoch: 1, topicPartitions: [] });
    expect(byTopic(given.assignment)).toEqual({ bananas: [0] });
  });

  test("the assignor that most members ask for is used, the first configured where they ask for none", () => {
    const shard = new TestShard({ apples: 4, bananas: 4 });
    shard.join("a", ["apples", "bananas"], { serverAssignor: "range" });
    shard.join("b", ["apples", "bananas"], { serverAssignor: "range" });
    shard.join("c", ["apples", "bananas"], { serverAssignor: "uniform" });
    expect(shard.describe().assignorName).toBe("range");
    shard.heartbeat({ memberId: "a", memberEpoch: -1 });
    expect(shard.describe().assignorName, "one each: the first configured").toBe("uniform");
  });
});

describe("kinds of groups", () => {
  const classic = (isEmpty: boolean) => ({
    groupId,
    type: "classic" as const,
    stateName: isEmpty ? "Empty" : "Stable",
    protocolType: "consumer",
    isEmpty,
    admitOffsetCommit: () => null,
    admitOffsetFetch: () => null,
    isSubscribedTo: () => false,
    offsetIdleSinceMs: () => null,
    tombstones: () => [],
  });

  test("a classic group with members is not taken over", () => {
    const shard = new TestShard({ apples: 1 });
    shard.book.set(groupId, classic(false));
    expect(shard.join("first", ["apples"])).toMatchObject({ errorCode: "GROUP_ID_NOT_FOUND" });
    expect(shard.describe()).toMatchObject({ errorCode: "GROUP_ID_NOT_FOUND", errorMessage: "Group readers is not a consumer group." });
  });

  test("an empty one ends, and its id is a consumer group's from there on", () => {
    const shard = new TestShard({ apples: 1 });
    const tombstone = { key: Buffer.from([0, 3, 0, 1, 120]), value: null };
    shard.book.set(groupId, { ...classic(true), tombstones: () => [tombstone] });
    expect(shard.heartbeat({ memberId: "first", memberEpoch: 1 }).errorCode, "only joining makes a group").toBe("GROUP_ID_NOT_FOUND");
    expect(shard.join("first", ["apples"]).errorCode).toBe("NONE");
    expect(shard.records[0]).toBe(tombstone);
    expect(shard.book.get(groupId)?.type).toBe("consumer");
  });
});
