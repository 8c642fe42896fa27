import { describe, expect, test } from "vitest";
import { assigned, settle } from "./settle.ts";
import { byTopic, groupId, owned, TestShard, topicsView } from "./test-shard.ts";

describe("joining", () => {
  test("the first member gets everything at once, an epoch, an id and the interval to send heartbeats in", () => {
    const shard = new TestShard({ apples: 2, bananas: 1 });
    const answer = shard.join("", ["apples", "bananas"]);
    expect(answer).toMatchObject({ errorCode: "NONE", memberEpoch: 1, heartbeatIntervalMs: 5_000 });
    expect(answer.memberId).toMatch(/^.{22}$/);
    expect(byTopic(answer.assignment)).toEqual({ apples: [0, 1], bananas: [0] });
    expect(shard.describe()).toMatchObject({ groupState: "Stable", groupEpoch: 1, assignmentEpoch: 1, assignorName: "uniform" });
    expect(shard.book.get(groupId)).toMatchObject({ type: "consumer", protocolType: "consumer", stateName: "Stable", isEmpty: false });
  });

  test("two members without ids get different ones", () => {
    const shard = new TestShard({ apples: 2 });
    expect(shard.join("", ["apples"]).memberId).not.toBe(shard.join("", ["apples"]).memberId);
  });

  test("a partition goes to its new owner only after the old one has confirmed that it gave it up", () => {
    const shard = new TestShard({ apples: 4 });
    shard.join("first", ["apples"]);
    const second = shard.join("second", ["apples"]);
    expect(second.memberEpoch).toBe(2);
    expect(byTopic(second.assignment), "nothing is free yet").toEqual({});
    expect(shard.describe().groupState).toBe("Reconciling");

    const revoke = shard.heartbeat({ memberId: "first", memberEpoch: 1 });
    expect(revoke.memberEpoch, "it stays in its epoch").toBe(1);
    expect(byTopic(revoke.assignment)).toEqual({ apples: [0, 1] });
    expect(byTopic(shard.heartbeat({ memberId: "second", memberEpoch: 2 }).assignment), "told, but not confirmed").toBeNull();
    const stillOwns = shard.heartbeat({ memberId: "first", memberEpoch: 1, topicPartitions: owned({ apples: [0, 1, 2] }) });
    expect(stillOwns.memberEpoch).toBe(1);

    const confirmed = shard.heartbeat({ memberId: "first", memberEpoch: 1, topicPartitions: owned({ apples: [0, 1] }) });
    expect(confirmed.memberEpoch).toBe(2);
    const given = shard.heartbeat({ memberId: "second", memberEpoch: 2 });
    expect(byTopic(given.assignment)).toEqual({ apples: [2, 3] });
    expect(shard.describe().groupState).toBe("Stable");
  });

  test("a heartbeat that changes nothing writes nothing and tells no assignment", () => {
    const shard = new TestShard({ apples: 4 });
    shard.join("first", ["apples"]);
    const before = shard.records.length;
    expect(shard.heartbeat({ memberId: "first", memberEpoch: 1 })).toMatchObject({ errorCode: "NONE", assignment: null, memberEpoch: 1 });
    expect(shard.records).toHaveLength(before);
  });

  test("a group that is full takes nobody else, and keeps those it has", () => {
    const shard = new TestShard({ apples: 4 }, { membersMax: 1 });
    shard.join("first", ["apples"]);
    expect(shard.join("second", ["apples"]).errorCode).toBe("GROUP_MAX_SIZE_REACHED");
    expect(shard.heartbeat({ memberId: "first", memberEpoch: 1 }).errorCode).toBe("NONE");
  });

  test("a topic that does not exist yet is waited for", () => {
    const shard = new TestShard({ apples: 1 });
    expect(byTopic(shard.join("first", ["later"]).assignment)).toEqual({});
    shard.changeTopics(topicsView({ apples: 1, later: 2 }));
    const answer = shard.heartbeat({ memberId: "first", memberEpoch: 1 });
    expect(byTopic(answer.assignment)).toEqual({ later: [0, 1] });
    expect(answer.memberEpoch).toBe(2);
  });

  test("with the protocol turned off, heartbeats are refused", () => {
    expect(new TestShard({ apples: 1 }, { enabled: false }).join("first", ["apples"]).errorCode).toBe("UNSUPPORTED_VERSION");
  });
});

describe("requests that make no sense", () => {
  const join = { memberEpoch: 0, rebalanceTimeoutMs: 1, subscribedTopicNames: ["apples"], topicPartitions: [] };
  test.each([
    ["no group", { ...join, groupId: "" }, "GroupId can't be empty."],
    ["a blank instance id", { ...join, instanceId: " " }, "InstanceId can't be empty."],
    ["a blank rack", { ...join, rackId: "" }, "RackId can't be empty."],
    ["a join without rebalance timeout", { ...join, rebalanceTimeoutMs: -1 }, "RebalanceTimeoutMs must be provided in first request."],
    ["a negative rebalance timeout", { ...join, rebalanceTimeoutMs: -2 }, "RebalanceTimeoutMs can't be negative."],
    ["a join without partitions told", { ...join, topicPartitions: null }, "TopicPartitions must be empty when (re-)joining."],
    ["a join that owns", { ...join, topicPartitions: owned({ apples: [0] }) }, "TopicPartitions must be empty when (re-)joining."],
    ["a join without topics", { ...join, subscribedTopicNames: [] }, "SubscribedTopicNames must be set in first request."],
    ["a heartbeat without member id", { memberEpoch: 1 }, "MemberId can't be empty."],
    ["a leave without member id", { memberEpoch: -1 }, "MemberId can't be empty."],
    ["a static leave without instance id", { memberEpoch: -2, memberId: "first" }, "InstanceId can't be null."],
    ["an epoch that means nothing", { memberEpoch: -3, memberId: "first" }, "MemberEpoch is invalid."],
    [
      "negative partitions",
      { memberEpoch: 1, memberId: "first", topicPartitions: owned({ apples: [-1] }) },
      "TopicPartitions can't hold negative partition numbers.",
    ],
  ])("%s", (_what, request, message) => {
    const shard = new TestShard({ apples: 1 });
    expect(shard.heartbeat(request)).toMatchObject({ errorCode: "INVALID_REQUEST", errorMessage: message });
    expect(shard.records).toEqual([]);
  });

  test("an assignor that is not configured", () => {
    const shard = new TestShard({ apples: 1 }, { assignors: ["uniform"] });
    expect(shard.join("first", ["apples"], { serverAssignor: "range" }).errorCode).toBe("UNSUPPORTED_ASSIGNOR");
  });
});

describe("epochs", () => {
  function twoMembers() {
    const shard = new TestShard({ apples: 4 });
    shard.join("first", ["apples"]);
    shard.join("second", ["apples"]);
    return { shard, epochs: settle(shard, { first: 1, second: 2 }) };
  }

  test("a group or member that is not known", () => {
    const shard = new TestShard({ apples: 1 });
    expect(shard.heartbeat({ memberId: "first", memberEpoch: 3 }).errorCode).toBe("GROUP_ID_NOT_FOUND");
    shard.join("first", ["apples"]);
    expect(shard.heartbeat({ memberId: "other", memberEpoch: 1 }).errorCode).toBe("UNKNOWN_MEMBER_ID");
    expect(shard.heartbeat({ memberId: "other", memberEpoch: -1 }).errorCode).toBe("UNKNOWN_MEMBER_ID");
  });

  test("an epoch ahead, or behind with more than it may have, is fenced", () => {
    const { shard, epochs } = twoMembers();
    expect(epochs).toEqual({ first: 2, second: 2 });
    expect(shard.heartbeat({ memberId: "first", memberEpoch: 3 }).errorCode).toBe("FENCED_MEMBER_EPOCH");
    expect(shard.heartbeat({ memberId: "first", memberEpoch: 1 }).errorCode, "does not say what it owns").toBe("FENCED_MEMBER_EPOCH");
    const greedy = { memberId: "first", memberEpoch: 1, topicPartitions: owned({ apples: [0, 1, 2] }) };
    expect(shard.heartbeat(greedy).errorCode).toBe("FENCED_MEMBER_EPOCH");
  });

  test("an answer that got lost does not cost the membership", () => {
    const { shard } = twoMembers();
    const again = shard.heartbeat({ memberId: "first", memberEpoch: 1, topicPartitions: owned({ apples: [0, 1] }) });
    expect(again).toMatchObject({ errorCode: "NONE", memberEpoch: 2 });
    expect(byTopic(again.assignment)).toEqual({ apples: [0, 1] });
  });

  test("commits and fetches of offsets go by the member's epoch", () => {
    const { shard } = twoMembers();
    const group = shard.book.get(groupId)!;
    const by = (memberId: string, generationIdOrMemberEpoch: number, apiVersion = 9) =>
      group.admitOffsetCommit({ memberId, groupInstanceId: null, generationIdOrMemberEpoch, apiVersion }, shard.now());
    expect(by("first", 2)).toBeNull();
    expect(by("first", 1)).toBe("STALE_MEMBER_EPOCH");
    expect(by("first", 2, 8), "its client cannot know of epochs").toBe("UNSUPPORTED_VERSION");
    expect(by("other", 2)).toBe("UNKNOWN_MEMBER_ID");
    expect(by("", -1), "somebody consumes").toBe("UNKNOWN_MEMBER_ID");
    expect(group.admitOffsetFetch({ memberId: "first", memberEpoch: 2 })).toBeNull();
    expect(group.admitOffsetFetch({ memberId: "first", memberEpoch: 1 })).toBe("STALE_MEMBER_EPOCH");
    expect(group.admitOffsetFetch({ memberId: "other", memberEpoch: 1 })).toBe("UNKNOWN_MEMBER_ID");
    expect(group.admitOffsetFetch({ memberId: null, memberEpoch: -1 })).toBeNull();
  });
});

describe("leaving", () => {
  test("the others take over what the leaver had, and only that", () => {
    const shard = new TestShard({ apples: 6 });
    for (const name of ["a", "b", "c"]) shard.join(name, ["apples"]);
    const epochs = settle(shard, { a: 1, b: 2, c: 3 });
    const before = assigned(shard);
    expect(shard.heartbeat({ memberId: "b", memberEpoch: -1 })).toMatchObject({ errorCode: "NONE", memberId: "b", memberEpoch: -1 });
    settle(shard, { a: epochs.a!, c: epochs.c! });
    const after = assigned(shard);
    for (const name of ["a", "c"]) expect(after[name]!.apples).toEqual(expect.arrayContaining(before[name]!.apples!));
    expect([...after.a!.apples!, ...after.c!.apples!].sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("a group that everybody left is empty: positions may be set from outside, its id may be used by another kind, and it may be deleted", () => {
    const shard = new TestShard({ apples: 1 });
    shard.join("first", ["apples"]);
    const group = shard.book.get(groupId)!;
    expect(group.isSubscribedTo("apples")).toBe(true);
    expect(group.offsetIdleSinceMs("apples", 7)).toBeNull();
    shard.heartbeat({ memberId: "first", memberEpoch: -1 });
    expect(group).toMatchObject({ stateName: "Empty", isEmpty: true });
    expect(group.isSubscribedTo("apples")).toBe(false);
    expect(group.offsetIdleSinceMs("apples", 7)).toBe(7);
    expect(
      group.admitOffsetCommit({ memberId: "", groupInstanceId: null, generationIdOrMemberEpoch: -1, apiVersion: 5 }, shard.now()),
    ).toBeNull();
    shard.apply({ records: group.tombstones(), answer: null });
    expect(shard.book.has(groupId)).toBe(false);
    expect(shard.describe()).toMatchObject({ errorCode: "GROUP_ID_NOT_FOUND" });
    shard.reload();
    expect(shard.book.has(groupId)).toBe(false);
  });

  test("a member that is silent for the session timeout is out, and its partitions are free at once", () => {
    const shard = new TestShard({ apples: 4 });
    shard.join("first", ["apples"]);
    shard.advance(30_000);
    shard.join("second", ["apples"]);
    shard.advance(14_999);
    expect(byTopic(shard.heartbeat({ memberId: "second", memberEpoch: 2 }).assignment)).toBeNull();
    shard.advance(1);
    expect(byTopic(shard.heartbeat({ memberId: "second", memberEpoch: 2 }).assignment)).toEqual({ apples: [0, 1, 2, 3] });
    expect(shard.heartbeat({ memberId: "first", memberEpoch: 1 }).errorCode).toBe("UNKNOWN_MEMBER_ID");
  });

  test("a member that does not give up what it must within its rebalance timeout is out", () => {
    const shard = new TestShard({ apples: 4 });
    shard.join("slow", ["apples"], { rebalanceTimeoutMs: 20_000 });
    shard.join("second", ["apples"]);
    shard.heartbeat({ memberId: "slow", memberEpoch: 1 });
    shard.advance(15_000);
    shard.heartbeat({ memberId: "slow", memberEpoch: 1 });
    shard.heartbeat({ memberId: "second", memberEpoch: 2 });
    shard.advance(5_000);
    expect(shard.heartbeat({ memberId: "slow", memberEpoch: 1 }).errorCode).toBe("UNKNOWN_MEMBER_ID");
    expect(byTopic(shard.heartbeat({ memberId: "second", memberEpoch: 2 }).assignment)).toEqual({ apples: [0, 1, 2, 3] });
  });

  test("a member that gave up in time is not held to the rebalance timeout any more", () => {
    const shard = new TestShard({ apples: 4 });
    shard.join("first", ["apples"], { rebalanceTimeoutMs: 20_000 });
    shard.join("second", ["apples"]);
    shard.heartbeat({ memberId: "first", memberEpoch: 1 });
    shard.heartbeat({ memberId: "first", memberEpoch: 1, topicPartitions: owned({ apples: [0, 1] }) });
    shard.advance(20_000);
    expect(shard.heartbeat({ memberId: "first", memberEpoch: 2 }).errorCode).toBe("NONE");
  });

  test("nothing is left of a member's timers when it is gone", () => {
    const shard = new TestShard({ apples: 4 });
    shard.join("first", ["apples"]);
    shard.heartbeat({ memberId: "first", memberEpoch: -1 });
    expect(shard.timerKeys).toEqual([]);
  });
});
