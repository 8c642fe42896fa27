import { describe, expect, test } from "vitest";
import { endpoint } from "../../../broker/api/api.ts";
import { consumerGroupDescribeApi } from "../../../broker/api/consumer-group-describe.ts";
import { deleteGroupsApi } from "../../../broker/api/delete-groups.ts";
import { describeGroupsApi } from "../../../broker/api/describe-groups.ts";
import type { GroupService } from "../../../broker/api/group-context.ts";
import { heartbeatApi } from "../../../broker/api/heartbeat.ts";
import { joinGroupApi } from "../../../broker/api/join-group.ts";
import { leaveGroupApi } from "../../../broker/api/leave-group.ts";
import { listGroupsApi } from "../../../broker/api/list-groups.ts";
import { offsetCommitApi } from "../../../broker/api/offset-commit.ts";
import { offsetDeleteApi } from "../../../broker/api/offset-delete.ts";
import { offsetFetchApi } from "../../../broker/api/offset-fetch.ts";
import { uncounted } from "../../../broker/api/request-meter.ts";
import { syncGroupApi } from "../../../broker/api/sync-group.ts";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import type { KafkaError } from "../../../protocol/errors/kafka-errors.ts";
import { offsetCommitRequest, offsetCommitResponse } from "../../../protocol/messages/offset-commit.ts";
import { encodeWhole } from "../../../protocol/schema/message.ts";
import { subscription, World } from "../group/world.ts";
import { answerOf, context, image, partition, readWhole, topic, topicId } from "./fixtures.ts";

/** The API in front of one shard that has every group. */
async function served() {
  const world = await World.loaded();
  const run: GroupService["run"] = (groupId, operation) =>
    groupId === "" ? Promise.resolve({ error: "INVALID_GROUP_ID" }) : world.shard.run(operation);
  const groups: GroupService = {
    run,
    runEvenUnnamed: (_groupId, operation) => world.shard.run(operation),
    listGroups: async () => ({ error: null, groups: world.machine.listGroups() }),
  };
  return { world, groups };
}

function failing(error: KafkaError): GroupService {
  const fail = async () => ({ error });
  return { run: fail, runEvenUnnamed: fail, listGroups: async () => ({ error, groups: [] }) };
}

const images = { current: image([topic("t", topicId("t"), [partition(0), partition(1)])]) };
const joining = {
  groupId: "g",
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 20_000,
  memberId: "",
  groupInstanceId: null,
  protocolType: "consumer",
  protocols: [{ name: "range", metadata: subscription("t") }],
  reason: null,
};
const describing = (...groups: string[]) => ({ groups, includeAuthorizedOperations: true, includeRebalance: false });

describe("joining and syncing through the API", () => {
  test("requests let their bytes go while their members wait", async () => {
    const { world, groups } = await served();
    const released: string[] = [];
    const meterOf = (name: string) => ({ meter: { ...uncounted, releaseRequest: () => void released.push(name) } });
    const joined = answerOf(joinGroupApi(groups), joining, 3, meterOf("join"));
    const follower = answerOf(joinGroupApi(groups), joining, 3, meterOf("join"));
    expect(released).toEqual(["join", "join"]);
    await world.clock.advance(6_000);
    const [one, two] = [await joined, await follower];
    const waiting = one.leader === one.memberId ? two : one;
    const syncing = { groupId: "g", generationId: 1, groupInstanceId: null, protocolType: null, protocolName: null, assignments: [] };
    void answerOf(syncGroupApi(groups), { ...syncing, memberId: waiting.memberId }, 3, meterOf("sync"));
    expect(released.at(-1)).toBe("sync");
    world.shard.end();
  });

  test("in every version a member joins, gets its part and is described as the client it is", async () => {
    for (let version = 0; version <= 9; version++) {
      const { world, groups } = await served();
      const api = joinGroupApi(groups);
      const first = version >= 4 ? await answerOf(api, joining, version) : null;
      if (first !== null) expect(first.errorCode).toBe("MEMBER_ID_REQUIRED");
      const asked = answerOf(api, { ...joining, memberId: first?.memberId ?? "" }, version);
      await world.clock.advance(3_000);
      const joined = await asked;
      expect(joined).toMatchObject({ errorCode: "NONE", generationId: 1, protocolName: "range", leader: joined.memberId });
      expect(joined.protocolType).toBe(version >= 7 ? "consumer" : null);
      expect(joined.members).toMatchObject([{ memberId: joined.memberId, metadata: subscription("t") }]);
      const { memberId } = joined;
      const syncing = { groupId: "g", generationId: 1, memberId, groupInstanceId: null, protocolType: "consumer", protocolName: "range" };
      const assignments = [{ memberId, assignment: Buffer.from("all") }];
      const synced = await answerOf(syncGroupApi(groups), { ...syncing, assignments }, Math.min(version, 5));
      expect([synced.errorCode, String(synced.assignment)]).toEqual(["NONE", "all"]);
      expect(world.machine.classic.find("g")!.members.get(memberId)!.rebalanceTimeoutMs).toBe(version === 0 ? 10_000 : 20_000);
      const described = await answerOf(describeGroupsApi(groups), describing("g", "none"), 5);
      expect(described.groups).toMatchObject([
        {
          ...{ errorCode: "NONE", groupState: "Stable", protocolType: "consumer", protocolData: "range" },
          members: [{ memberId, clientId: "test", clientHost: "/10.0.0.9", memberAssignment: Buffer.from("all") }],
        },
        { errorCode: "NONE", groupState: "Dead", members: [] },
      ]);
      expect(described.groups[0]?.authorizedOperations).toBeGreaterThan(0);
    }
  });

  test("the longest client id there can be still makes a member id that fits", async () => {
    const { groups, world } = await served();
    const { memberId } = await answerOf(joinGroupApi(groups), joining, 9, { clientId: "😀".repeat(8_000) });
    expect(memberId.length).toBeLessThan(300);
    const again = answerOf(joinGroupApi(groups), { ...joining, memberId }, 9);
    await world.clock.advance(3_000);
    expect((await again).errorCode).toBe("NONE");
  });

  test("a static member is given no id in advance", async () => {
    const { world, groups } = await served();
    const asked = answerOf(joinGroupApi(groups), { ...joining, groupInstanceId: "i" }, 9);
    await world.clock.advance(3_000);
    expect((await asked).errorCode).toBe("NONE");
  });

  test("a refusal has a form in every version", async () => {
    for (let version = 0; version <= 9; version++) {
      const refused = await answerOf(joinGroupApi(failing("NOT_COORDINATOR")), { ...joining, memberId: "m" }, version);
      expect(refused).toMatchObject({ errorCode: "NOT_COORDINATOR", generationId: -1, memberId: "m", members: [] });
      expect(refused.protocolName).toBe(version >= 7 ? null : "");
    }
  });

  test("from version 5 on SyncGroup must name the protocol", async () => {
    const { groups } = await served();
    const request = {
      groupId: "g",
      generationId: 1,
      memberId: "m",
      groupInstanceId: null,
      protocolType: null,
      protocolName: "range",
      assignments: [],
    };
    expect((await answerOf(syncGroupApi(groups), request, 5)).errorCode).toBe("INCONSISTENT_GROUP_PROTOCOL");
    expect((await answerOf(syncGroupApi(groups), request, 4)).errorCode).toBe("UNKNOWN_MEMBER_ID");
  });

  test("a group without a name has no members", async () => {
    const { groups } = await served();
    expect((await answerOf(joinGroupApi(groups), { ...joining, groupId: "" }, 9)).errorCode).toBe("INVALID_GROUP_ID");
  });

  test("while groups are loaded every heartbeat is good", async () => {
    const request = { groupId: "g", generationId: 1, memberId: "m", groupInstanceId: null };
    for (const [error, told] of [
      ["COORDINATOR_LOAD_IN_PROGRESS", "NONE"],
      ["NOT_COORDINATOR", "NOT_COORDINATOR"],
    ] as const)
      expect((await answerOf(heartbeatApi(failing(error)), request, 4)).errorCode).toBe(told);
  });

  test("leaving: one member's error is the answer's before version 3, each has its own from then on", async () => {
    const { groups } = await served();
    const request = { groupId: "g", memberId: "nobody", members: [{ memberId: "nobody", groupInstanceId: null, reason: "done" }] };
    expect((await answerOf(leaveGroupApi(groups), request, 2)).errorCode).toBe("UNKNOWN_MEMBER_ID");
    const left = await answerOf(leaveGroupApi(groups), request, 5);
    expect(left).toMatchObject({ errorCode: "NONE", members: [{ memberId: "nobody", errorCode: "UNKNOWN_MEMBER_ID" }] });
  });
});

describe("offsets through the API", () => {
  const commitRequest = (groupId: string) => ({
    groupId,
    generationIdOrMemberEpoch: -1,
    memberId: "",
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: [
      {
        name: "t",
        topicId: topicId("t"),
        partitions: [7, 1, 0].map((partitionIndex) => ({
          partitionIndex,
          committedOffset: 100 + partitionIndex,
          committedLeaderEpoch: 3,
          commitTimestamp: -1,
          committedMetadata: partitionIndex === 0 ? null : "m",
        })),
      },
      {
        name: "gone",
        topicId: topicId("g"),
        partitions: [{ partitionIndex: 0, committedOffset: 5, committedLeaderEpoch: -1, commitTimestamp: -1, committedMetadata: "" }],
      },
    ],
  });

  test("partitions that do not exist are told so and the others are kept, in every version", async () => {
    for (let version = 0; version <= 10; version++) {
      const { groups, world } = await served();
      const answer = await answerOf(offsetCommitApi(groups, images), commitRequest("g"), version);
      const called = (name: string, id: string) => (version < 10 ? { name, topicId: zeroTopicId } : { name: "", topicId: id });
      expect(answer.topics).toEqual([
        {
          ...called("t", topicId("t")),
          partitions: [
            { partitionIndex: 7, errorCode: "UNKNOWN_TOPIC_OR_PARTITION" },
            { partitionIndex: 1, errorCode: "NONE" },
            { partitionIndex: 0, errorCode: "NONE" },
          ],
        },
        {
          ...called("gone", topicId("g")),
          partitions: [{ partitionIndex: 0, errorCode: version < 10 ? "UNKNOWN_TOPIC_OR_PARTITION" : "UNKNOWN_TOPIC_ID" }],
        },
      ]);
      expect(world.machine.offsets.find("g", "t", 1)).toMatchObject({ offset: 101, leaderEpoch: version >= 6 ? 3 : -1, metadata: "m" });
      expect(world.machine.offsets.size).toBe(2);
    }
  });

  test("a topic named twice is answered twice", async () => {
    const { groups } = await served();
    const [topic] = commitRequest("g").topics;
    const answer = await answerOf(offsetCommitApi(groups, images), { ...commitRequest("g"), topics: [topic!, topic!] }, 8);
    expect(answer.topics.map(({ partitions }) => partitions.map(({ errorCode }) => errorCode))).toEqual(
      [1, 2].map(() => ["UNKNOWN_TOPIC_OR_PARTITION", "NONE", "NONE"]),
    );
  });

  test("an offset that no log can have is refused by itself, in every version", async () => {
    for (let version = 0; version <= 10; version++) {
      const { groups, world } = await served();
      const partitions = [0, 1].map((partitionIndex) => ({
        partitionIndex,
        committedOffset: 2 ** 40 + partitionIndex,
        committedLeaderEpoch: -1,
        commitTimestamp: -1,
        committedMetadata: null,
      }));
      const body = encodeWhole(
        offsetCommitRequest,
        { ...commitRequest("g"), topics: [{ name: "t", topicId: topicId("t"), partitions }] },
        version,
      );
      body.writeBigInt64BE(2n ** 63n - 1n, body.indexOf(Buffer.from([0, 0, 1, 0, 0, 0, 0, 0])));
      const answer = await endpoint(offsetCommitApi(groups, images)).serve(body, context(version));
      const { topics } = readWhole(offsetCommitResponse, Buffer.concat(answer ?? []), version);
      expect(topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual(["INVALID_COMMIT_OFFSET_SIZE", "NONE"]);
      expect(world.machine.offsets.size).toBe(1);
    }
  });

  test("version 1 may say when it was committed; -1 says now", async () => {
    const { groups, world } = await served();
    const request = commitRequest("g");
    const dated = request.topics.map((one) => ({
      ...one,
      partitions: one.partitions.map((each) => ({ ...each, commitTimestamp: 12_345 })),
    }));
    await answerOf(offsetCommitApi(groups, images), { ...request, topics: dated }, 1);
    expect(world.machine.offsets.find("g", "t", 1)?.commitTimestampMs).toBe(12_345);
    await answerOf(offsetCommitApi(groups, images), request, 1);
    expect(world.machine.offsets.find("g", "t", 1)?.commitTimestampMs).not.toBe(12_345);
  });

  test("the longest retention that can be asked for is kept as the longest there is", async () => {
    const { groups, world } = await served();
    await answerOf(offsetCommitApi(groups, images), { ...commitRequest("g"), retentionTimeMs: Number.MAX_SAFE_INTEGER }, 4);
    expect(world.machine.offsets.find("g", "t", 1)?.expireTimestampMs).toBe(Number.MAX_SAFE_INTEGER);
  });

  test("fetching: named or all, one group or several, in every version", async () => {
    const { groups } = await served();
    await answerOf(offsetCommitApi(groups, images), commitRequest("g"), 8);
    const committed = (version: number) => ({
      name: "t",
      partitions: [
        { partitionIndex: 1, committedOffset: 101, committedLeaderEpoch: version >= 5 ? 3 : -1, metadata: "m", errorCode: "NONE" },
        { partitionIndex: 0, committedOffset: 100, committedLeaderEpoch: version >= 5 ? 3 : -1, metadata: "", errorCode: "NONE" },
      ],
    });
    for (let version = 0; version <= 9; version++) {
      const topics = version <= 1 ? [{ name: "t", partitionIndexes: [1, 0] }] : null;
      const asked = (groupId: string) => ({ groupId, memberId: null, memberEpoch: -1, topics });
      const several = version >= 8 ? [asked("g"), asked("none")] : [];
      const answer = await answerOf(
        offsetFetchApi(groups),
        { groupId: "g", topics, groups: several, requireStable: version >= 7 },
        version,
      );
      if (version < 8) expect(answer.topics).toEqual([committed(version)]);
      else
        expect(answer.groups).toEqual([
          { groupId: "g", topics: [committed(version)], errorCode: "NONE" },
          { groupId: "none", topics: [], errorCode: "NONE" },
        ]);
    }
  });

  test("who is not the coordinator says so where the version has room for it", async () => {
    const groups = failing("NOT_COORDINATOR");
    const topics = [{ name: "t", partitionIndexes: [4] }];
    const request = { groupId: "g", topics, groups: [{ groupId: "g", memberId: null, memberEpoch: -1, topics }], requireStable: false };
    for (const version of [0, 1])
      expect((await answerOf(offsetFetchApi(groups), request, version)).topics).toMatchObject([
        { name: "t", partitions: [{ partitionIndex: 4, committedOffset: -1, errorCode: "NOT_COORDINATOR" }] },
      ]);
    expect(await answerOf(offsetFetchApi(groups), request, 7)).toMatchObject({ errorCode: "NOT_COORDINATOR", topics: [] });
    expect((await answerOf(offsetFetchApi(groups), request, 9)).groups).toEqual([
      { groupId: "g", topics: [], errorCode: "NOT_COORDINATOR" },
    ]);
    const commits = await answerOf(offsetCommitApi(failing("MESSAGE_TOO_LARGE"), images), commitRequest("g"), 9);
    expect(commits.topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual([
      "UNKNOWN_TOPIC_OR_PARTITION",
      "INVALID_COMMIT_OFFSET_SIZE",
      "INVALID_COMMIT_OFFSET_SIZE",
    ]);
  });

  test("deleting offsets answers for partitions that do not exist, and for groups that do not", async () => {
    const { groups, world } = await served();
    await answerOf(offsetCommitApi(groups, images), commitRequest("g"), 8);
    const topics = [{ name: "t", partitions: [{ partitionIndex: 1 }, { partitionIndex: 7 }] }];
    expect(await answerOf(offsetDeleteApi(groups, images), { groupId: "g", topics }, 0)).toMatchObject({
      errorCode: "NONE",
      topics: [
        {
          partitions: [
            { partitionIndex: 1, errorCode: "NONE" },
            { partitionIndex: 7, errorCode: "UNKNOWN_TOPIC_OR_PARTITION" },
          ],
        },
      ],
    });
    expect(world.machine.offsets.size).toBe(1);
    expect((await answerOf(offsetDeleteApi(groups, images), { groupId: "none", topics }, 0)).errorCode).toBe("GROUP_ID_NOT_FOUND");
  });
});

describe("listing and deleting through the API", () => {
  test("filters by state and type, whatever their case, and deletes what has no members", async () => {
    const { groups, world } = await served();
    await world.stableGroup(1);
    await world.commit({ offsets: { t: 5 } }, "idle");
    const list = async (statesFilter: string[], typesFilter: string[], version = 5) =>
      (await answerOf(listGroupsApi(groups), { statesFilter, typesFilter }, version)).groups;
    expect(await list([], [])).toEqual([
      { groupId: "g", protocolType: "consumer", groupState: "Stable", groupType: "classic" },
      { groupId: "idle", protocolType: "", groupState: "Empty", groupType: "classic" },
    ]);
    expect((await list(["empty"], ["CLASSIC"])).map(({ groupId }) => groupId)).toEqual(["idle"]);
    expect(await list([], ["consumer"])).toEqual([]);
    expect(await list([], [], 3)).toHaveLength(2);
    const deleted = await answerOf(deleteGroupsApi(groups), { groupsNames: ["g", "idle", "none"] }, 2);
    expect(deleted.results).toEqual([
      { groupId: "g", errorCode: "NON_EMPTY_GROUP" },
      { groupId: "idle", errorCode: "NONE" },
      { groupId: "none", errorCode: "GROUP_ID_NOT_FOUND" },
    ]);
  });

  test.each([
    ["no name at all", ""],
    ["control characters", "a\u0000\u001b[2J\nb"],
    ["32,000 characters", "x".repeat(32_000)],
  ])("a group with %s that only keeps offsets is listed, described as Kafka's tool asks, read and deleted", async (_what, groupId) => {
    const { groups } = await served();
    const partitions = [{ partitionIndex: 0, committedOffset: 5, committedLeaderEpoch: -1, commitTimestamp: -1, committedMetadata: "" }];
    const by = { groupId, generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null, retentionTimeMs: -1 };
    const committed = await answerOf(
      offsetCommitApi(groups, images),
      { ...by, topics: [{ name: "t", topicId: topicId("t"), partitions }] },
      8,
    );
    expect(committed.topics[0]?.partitions).toEqual([{ partitionIndex: 0, errorCode: "NONE" }]);
    const list = async () => (await answerOf(listGroupsApi(groups), { statesFilter: [], typesFilter: [] }, 5)).groups;
    expect(await list()).toEqual([{ groupId, protocolType: "", groupState: "Empty", groupType: "classic" }]);
    const asked = { groupIds: [groupId], includeAuthorizedOperations: false };
    expect((await answerOf(consumerGroupDescribeApi(groups), asked, 0)).groups).toMatchObject([
      { groupId, errorCode: "GROUP_ID_NOT_FOUND" },
    ]);
    const described = await answerOf(describeGroupsApi(groups), describing(groupId), 5);
    expect(described.groups).toMatchObject([{ groupId, errorCode: "NONE", groupState: "Empty", members: [] }]);
    const wanted = { groupId, topics: null, groups: [{ groupId, memberId: null, memberEpoch: -1, topics: null }], requireStable: false };
    expect((await answerOf(offsetFetchApi(groups), wanted, 9)).groups).toMatchObject([
      { groupId, errorCode: "NONE", topics: [{ name: "t", partitions: [{ committedOffset: 5 }] }] },
    ]);
    const deleted = await answerOf(deleteGroupsApi(groups), { groupsNames: [groupId] }, 2);
    expect(deleted.results).toEqual([{ groupId, errorCode: "NONE" }]);
    expect(await list()).toEqual([]);
  });

  test("an incomplete list says why", async () => {
    const request = { statesFilter: [], typesFilter: [] };
    expect((await answerOf(listGroupsApi(failing("COORDINATOR_LOAD_IN_PROGRESS")), request, 5)).errorCode).toBe(
      "COORDINATOR_LOAD_IN_PROGRESS",
    );
  });
});

test("an IPv6 client is shown without brackets", async () => {
  const { world, groups } = await served();
  const asked = joinGroupApi(groups).handle({ ...joining, groupInstanceId: "i" }, context(9, { remote: "[::1]:5000", clientId: null }));
  await world.clock.advance(3_000);
  await asked;
  expect(world.describe().members).toMatchObject([{ clientId: "", clientHost: "/::1" }]);
});
