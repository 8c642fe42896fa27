import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { orThrow } from "../../client/index.ts";
import { zeroTopicId } from "../../protocol/base/ids.ts";
import { apis } from "../../protocol/messages/apis.ts";
import type { ConsumerGroupHeartbeatResponse } from "../../protocol/messages/consumer-group-heartbeat.ts";
import { useGroupCluster } from "../support/group/group-cluster.ts";
import { CoordinatorConnection } from "../support/group/raw-group.ts";
import { waitUntil } from "../support/wait-until.ts";

const groupId = "new-protocol";
const sessionTimeoutMs = 4_000;

const on = useGroupCluster({
  topics: "shared",
  settings: {
    "group.consumer.session.timeout.ms": sessionTimeoutMs,
    "group.consumer.heartbeat.interval.ms": 250,
    "offsets.topic.num.partitions": 3,
  },
});
let topic: string;
let coordinator: CoordinatorConnection;

beforeAll(async () => {
  topic = await on.newTopic(6);
  coordinator = new CoordinatorConnection(on.cluster, groupId);
});

afterAll(() => coordinator?.close());

type Partitions = readonly { readonly topicId: string; readonly partitions: readonly number[] }[];

/** A member that owns at once what it is assigned, and nothing else. */
class ScriptedMember {
  memberId = "";
  epoch = 0;
  owned: Partitions = [];

  get partitions(): number[] {
    return this.owned.flatMap(({ partitions }) => [...partitions]).sort();
  }

  async heartbeat(): Promise<ConsumerGroupHeartbeatResponse> {
    const joining = this.epoch === 0 ? { rebalanceTimeoutMs: 30_000, subscribedTopicNames: [topic] } : {};
    const { memberId, epoch, owned } = this;
    const answer = await coordinator.heartbeat({ memberId, memberEpoch: epoch, topicPartitions: owned, ...joining });
    expect(answer).toMatchObject({ errorCode: "NONE", errorMessage: null });
    this.memberId = answer.memberId ?? this.memberId;
    this.epoch = answer.memberEpoch;
    this.owned = answer.assignment?.topicPartitions ?? this.owned;
    return answer;
  }
}

async function describeGroup() {
  const api = apis.consumerGroupDescribe;
  const body = { groupIds: [groupId], includeAuthorizedOperations: false };
  const { groups } = await coordinator.ask(api, 0, body, (answer) => answer.groups[0]?.errorCode ?? "");
  return groups[0]!;
}

async function deleteGroup(): Promise<string> {
  const api = apis.deleteGroups;
  const { results } = await coordinator.ask(api, 2, { groupsNames: [groupId] }, (answer) => answer.results[0]?.errorCode ?? "");
  return results[0]?.errorCode ?? "";
}

/** JoinGroup of a classic member. */
async function joinClassic(): Promise<string> {
  const api = apis.joinGroup;
  const protocols = [{ name: "range", metadata: Buffer.alloc(0) }];
  const timeouts = { sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000 };
  const body = { groupId, ...timeouts, memberId: "", groupInstanceId: null, protocolType: "consumer", protocols, reason: null };
  return (await coordinator.ask(api, 9, body, ({ errorCode }) => errorCode)).errorCode;
}

async function commit(memberId: string, generationIdOrMemberEpoch: number, committedOffset: number): Promise<string> {
  const api = apis.offsetCommit;
  const partitions = [{ partitionIndex: 0, committedOffset, committedLeaderEpoch: -1, commitTimestamp: -1, committedMetadata: null }];
  const body = {
    groupId,
    generationIdOrMemberEpoch,
    memberId,
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: [{ name: topic, topicId: zeroTopicId, partitions }],
  };
  const errorOf = (answer: { topics: readonly { partitions: readonly { errorCode: string }[] }[] }) =>
    answer.topics[0]?.partitions[0]?.errorCode ?? "";
  return errorOf(await coordinator.ask(api, 9, body, errorOf));
}

async function committedBy(memberId: string | null, memberEpoch: number) {
  const api = apis.offsetFetch;
  const group = { groupId, memberId, memberEpoch, topics: [{ name: topic, partitionIndexes: [0] }] };
  const body = { groupId: "", topics: [], groups: [group], requireStable: false };
  const { groups } = await coordinator.ask(api, 9, body, (answer) => answer.groups[0]?.errorCode ?? "");
  return { error: groups[0]?.errorCode, offset: groups[0]?.topics[0]?.partitions[0]?.committedOffset };
}

async function untilStable(members: readonly ScriptedMember[]): Promise<void> {
  await waitUntil("a stable group", async () => {
    for (const member of members) await member.heartbeat();
    return (await describeGroup()).groupState === "Stable";
  });
}

const [first, second] = [new ScriptedMember(), new ScriptedMember()];

/** On a busy machine it may take longer than a session. */
async function whileBeating(work: Promise<void>): Promise<void> {
  let isOver = false;
  const settled = work.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    for (const member of [first, second]) await member.heartbeat();
    await sleep(250);
  }
  await settled;
}

test("two members share a topic, each partition moving only when its owner gave it up", { timeout: 60_000 }, async () => {
  expect((await first.heartbeat()).heartbeatIntervalMs).toBe(250);
  expect(first.partitions).toEqual([0, 1, 2, 3, 4, 5]);
  await second.heartbeat();
  expect(second.partitions, "the first has not given up anything yet").toEqual([]);
  await untilStable([first, second]);
  expect(first.partitions).toHaveLength(3);
  expect([...first.partitions, ...second.partitions].sort()).toEqual([0, 1, 2, 3, 4, 5]);
  const described = await describeGroup();
  expect(described).toMatchObject({ groupEpoch: 2, assignmentEpoch: 2, assignorName: "uniform" });
  expect(
    described.members.map(({ clientHost, clientId, assignment }) => ({ clientHost, clientId, topics: assignment.topicPartitions.length })),
  ).toEqual([first, second].map(() => ({ clientHost: "/127.0.0.1", clientId: "raw", topics: 1 })));
});

test("positions are committed and fetched by the member's epoch", async () => {
  expect(await commit(first.memberId, first.epoch, 7)).toBe("NONE");
  expect(await commit(first.memberId, first.epoch - 1, 5)).toBe("STALE_MEMBER_EPOCH");
  expect(await commit("nobody", first.epoch, 5)).toBe("UNKNOWN_MEMBER_ID");
  expect(await committedBy(first.memberId, first.epoch)).toEqual({ error: "NONE", offset: 7 });
  expect(await committedBy(first.memberId, first.epoch + 1)).toMatchObject({ error: "STALE_MEMBER_EPOCH" });
});

test("while it has members it is listed as a consumer group, not deleted, and no classic member gets in", async () => {
  await first.heartbeat();
  await second.heartbeat();
  const api = apis.listGroups;
  const { groups } = await coordinator.ask(api, 5, { statesFilter: [], typesFilter: ["consumer"] }, ({ errorCode }) => errorCode);
  expect(groups).toEqual([{ groupId, protocolType: "consumer", groupState: "Stable", groupType: "consumer" }]);
  expect(await deleteGroup()).toBe("NON_EMPTY_GROUP");
  expect(await joinClassic()).toBe("INCONSISTENT_GROUP_PROTOCOL");
});

test("the coordinator is killed: members go on where they were with the next one, and positions are kept", {
  timeout: 60_000,
}, async () => {
  const before = [first, second].map(({ epoch, partitions }) => ({ epoch, partitions }));
  const killed = coordinator.brokerId;
  await on.cluster.kill(killed);
  await first.heartbeat();
  await second.heartbeat();
  expect(coordinator.brokerId).not.toBe(killed);
  expect([first, second].map(({ epoch, partitions }) => ({ epoch, partitions }))).toEqual(before);
  expect((await describeGroup()).groupState).toBe("Stable");
  expect(await committedBy(first.memberId, first.epoch)).toEqual({ error: "NONE", offset: 7 });
  await whileBeating(on.cluster.startBroker(killed));
});

test("a member that falls silent loses its partitions to the other after the session timeout", { timeout: 60_000 }, async () => {
  await second.heartbeat();
  const silentSinceMs = performance.now();
  await waitUntil("the other to have everything", async () => {
    await first.heartbeat();
    return first.partitions.length === 6;
  });
  expect(performance.now() - silentSinceMs).toBeGreaterThan(sessionTimeoutMs - 100);
  const { memberId, epoch: memberEpoch } = second;
  expect(await coordinator.heartbeat({ memberId, memberEpoch })).toMatchObject({ errorCode: "UNKNOWN_MEMBER_ID" });
});

test("partitions that are added are given out", { timeout: 60_000 }, async () => {
  orThrow(await on.admin.createPartitions([{ topic, count: 8 }]));
  await waitUntil("the new partitions", async () => {
    await first.heartbeat();
    return first.partitions.length === 8;
  });
});

test("an empty group may change its kind, and back, and keeps its positions; it is deleted in the end", { timeout: 60_000 }, async () => {
  const { memberId } = first;
  expect(await coordinator.heartbeat({ memberId, memberEpoch: -1 })).toMatchObject({ errorCode: "NONE", memberEpoch: -1 });
  expect((await describeGroup()).groupState).toBe("Empty");
  expect(await joinClassic(), "a classic group from here on").toBe("MEMBER_ID_REQUIRED");
  expect(await describeGroup()).toMatchObject({ errorCode: "GROUP_ID_NOT_FOUND" });
  expect(await committedBy(null, -1)).toEqual({ error: "NONE", offset: 7 });

  const again = new ScriptedMember();
  await again.heartbeat();
  expect(again.partitions).toHaveLength(8);
  expect(await committedBy(again.memberId, again.epoch)).toEqual({ error: "NONE", offset: 7 });
  await coordinator.heartbeat({ memberId: again.memberId, memberEpoch: -1 });
  expect(await deleteGroup()).toBe("NONE");
  expect(await describeGroup()).toMatchObject({ errorCode: "GROUP_ID_NOT_FOUND", errorMessage: `Group ${groupId} not found.` });
  expect(await committedBy(null, -1)).toEqual({ error: "NONE", offset: -1 });
});
