import { expect, test } from "vitest";
import { Admin } from "../../../../client/admin/admin.ts";
import { KafkaProtocolError } from "../../../../client/base/errors.ts";
import { encodeAssignment } from "../../../../protocol/messages/consumer-protocol.ts";
import { FakeCluster, type Interception } from "../fake-cluster.ts";

type Answers = Record<string, (request: never, broker: number) => Interception>;

/** Broker 2 coordinates every group; `answers` by API. */
function adminFor(answers: Answers) {
  const cluster = new FakeCluster();
  cluster.topic("t", [1, 2]);
  cluster.intercept = ({ api, broker, request }) => {
    if (api === "FindCoordinator") {
      const keys = (request as { coordinatorKeys: string[] }).coordinatorKeys;
      const at = { nodeId: 2, host: "fake", port: 9002, errorCode: "NONE", errorMessage: null };
      return { throttleTimeMs: 0, coordinators: keys.map((key) => ({ key, ...at })), ...at };
    }
    return answers[api]?.(request, broker);
  };
  const { bootstrap, runtime } = cluster;
  return { cluster, admin: new Admin({ bootstrap, runtime, operationTimeoutMs: 5_000 }) };
}

const describedClassic = {
  errorCode: "NONE",
  groupId: "g",
  groupState: "Stable",
  protocolType: "consumer",
  protocolData: "range",
  authorizedOperations: 0,
  rebalanceSinceMs: -1,
  newcomers: 0,
  members: [
    {
      memberId: "m",
      groupInstanceId: "i",
      clientId: "c",
      clientHost: "/1.2.3.4",
      memberMetadata: Buffer.alloc(0),
      memberAssignment: encodeAssignment({ assignedPartitions: [{ topic: "t", partitions: [1] }], userData: null }),
      isAwaited: false,
    },
  ],
};
const describedConsumer = {
  errorCode: "GROUP_ID_NOT_FOUND",
  errorMessage: null,
  groupId: "g",
  groupState: "",
  groupEpoch: 0,
  assignmentEpoch: 0,
  assignorName: "",
  members: [],
  authorizedOperations: 0,
};

test("groups of all brokers are listed, each once", async () => {
  const { cluster, admin } = adminFor({
    ListGroups: (_request, broker) => ({
      throttleTimeMs: 0,
      errorCode: "NONE",
      groups: [
        { groupId: `g${broker}`, protocolType: "consumer", groupState: "Stable", groupType: broker === 1 ? "classic" : "consumer" },
        { groupId: "moving", protocolType: "", groupState: "Empty", groupType: "Classic" },
      ],
    }),
  });
  expect(await cluster.clock.until(admin.listGroups())).toEqual([
    { groupId: "g1", protocolType: "consumer", state: "Stable", type: "classic" },
    { groupId: "g2", protocolType: "consumer", state: "Stable", type: "consumer" },
    { groupId: "moving", protocolType: "", state: "Empty", type: "classic" },
  ]);
});

test("a classic group is described, from its coordinator, with what its members have; also by brokers without the new protocol", async () => {
  for (const hasConsumerGroups of [true, false]) {
    const { cluster, admin } = adminFor({
      ConsumerGroupDescribe: () => ({ throttleTimeMs: 0, groups: [describedConsumer] }),
      DescribeGroups: () => ({ throttleTimeMs: 0, groups: [describedClassic] }),
    });
    if (!hasConsumerGroups) cluster.versionMax.ConsumerGroupDescribe = -1;
    const [group] = await cluster.clock.until(admin.describeGroups(["g"]));
    const member = { memberId: "m", groupInstanceId: "i", clientId: "c", host: "/1.2.3.4", partitions: [{ topic: "t", partition: 1 }] };
    expect(group).toEqual({
      groupId: "g",
      type: "classic",
      state: "Stable",
      protocolType: "consumer",
      assignor: "range",
      members: [member],
      rebalance: null,
      error: null,
    });
    expect(cluster.requests).toContain("DescribeGroups@2");
  }
});

test("whom a rebalance waits for is told where the brokers tell it", async () => {
  const sinceMs = 1_700_000_000_000;
  const [first] = describedClassic.members;
  const members = [first, { ...first, memberId: "late", isAwaited: true }];
  const rebalanceOf = async (classic: object, consumer: object = describedConsumer) => {
    const { cluster, admin } = adminFor({
      ConsumerGroupDescribe: () => ({ throttleTimeMs: 0, groups: [consumer] }),
      DescribeGroups: ({ includeRebalance }: { includeRebalance: boolean }) => {
        expect(includeRebalance).toBe(true);
        return { throttleTimeMs: 0, groups: [classic] };
      },
    });
    return (await cluster.clock.until(admin.describeGroups(["g"])))[0]?.rebalance;
  };
  const rebalancing = { ...describedClassic, groupState: "PreparingRebalance", members };
  expect(await rebalanceOf({ ...rebalancing, rebalanceSinceMs: sinceMs, newcomers: 2 })).toEqual({
    sinceMs,
    awaited: ["late"],
    newcomers: 2,
  });
  expect(await rebalanceOf(rebalancing), "of Kafka's brokers").toEqual({ sinceMs: null, awaited: null, newcomers: 0 });
  const nothing = { topicPartitions: [] };
  const member = (memberId: string, memberEpoch: number) => ({
    ...{ memberId, memberEpoch, instanceId: null, rackId: null, clientId: "c", clientHost: "h" },
    ...{ subscribedTopicNames: ["t"], subscribedTopicRegex: null, assignment: nothing, targetAssignment: nothing, memberType: 1 },
  });
  const consumer = { ...describedConsumer, errorCode: "NONE", groupState: "Reconciling", assignmentEpoch: 3 };
  const reconciling = { ...consumer, members: [member("late", 2), member("quick", 3)] };
  expect(await rebalanceOf(describedClassic, reconciling)).toEqual({ sinceMs: null, awaited: ["late"], newcomers: 0 });
});

test("a group of the new protocol, and one that does not exist", async () => {
  let state = "Dead";
  const { cluster, admin } = adminFor({
    ConsumerGroupDescribe: ({ groupIds }: { groupIds: string[] }) => {
      const assignment = { topicPartitions: [{ topicId: "AAAAAAAAAAAAAAAAAAAAAA", topicName: "t", partitions: [0] }] };
      const member = { memberId: "m", instanceId: null, rackId: null, memberEpoch: 3, clientId: "c", clientHost: "h" };
      const members = [{ ...member, subscribedTopicNames: ["t"], subscribedTopicRegex: null, assignment, targetAssignment: assignment }];
      const known = { ...describedConsumer, errorCode: "NONE", groupState: "Stable", assignorName: "uniform", members };
      return { throttleTimeMs: 0, groups: [groupIds[0] === "new" ? known : describedConsumer] };
    },
    DescribeGroups: () => ({ throttleTimeMs: 0, groups: [{ ...describedClassic, groupState: state, members: [] }] }),
  });
  const [known, unknown] = await cluster.clock.until(admin.describeGroups(["new", "nobody"]));
  expect(known).toMatchObject({ type: "consumer", assignor: "uniform", error: null });
  expect(known?.members?.[0]?.partitions).toEqual([{ topic: "t", partition: 0 }]);
  expect(unknown?.error).toMatchObject({ code: "GROUP_ID_NOT_FOUND" });
  state = "Empty";
  expect((await cluster.clock.until(admin.describeGroups(["nobody"])))[0]).toMatchObject({ state: "Empty", error: null });
});

test("groups are deleted one by one; what is momentary is waited out", async () => {
  let asked = 0;
  const { cluster, admin } = adminFor({
    DeleteGroups: ({ groupsNames: [groupId] }: { groupsNames: string[] }) => ({
      throttleTimeMs: 0,
      results: [{ groupId, errorCode: groupId === "busy" ? "NON_EMPTY_GROUP" : asked++ < 2 ? "COORDINATOR_LOAD_IN_PROGRESS" : "NONE" }],
    }),
  });
  const [free, busy] = await cluster.clock.until(admin.deleteGroups(["free", "busy"]));
  expect(free).toEqual({ groupId: "free", error: null });
  expect(busy?.error).toBeInstanceOf(KafkaProtocolError);
  expect(busy).toMatchObject({ groupId: "busy", error: { code: "NON_EMPTY_GROUP" } });
});

test("positions are read, set and deleted", async () => {
  const { cluster, admin } = adminFor({
    OffsetFetch: () => ({
      throttleTimeMs: 0,
      groups: [
        {
          groupId: "g",
          errorCode: "NONE",
          topics: [
            {
              name: "t",
              partitions: [{ partitionIndex: 1, committedOffset: 7, committedLeaderEpoch: 2, metadata: "m", errorCode: "NONE" }],
            },
          ],
        },
      ],
    }),
    OffsetCommit: ({ generationIdOrMemberEpoch, topics }: never) => {
      expect(generationIdOrMemberEpoch).toBe(-1);
      const answered = (topics as { name: string; partitions: { partitionIndex: number }[] }[]).map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({
          partitionIndex,
          errorCode: partitionIndex === 0 ? "NONE" : "UNKNOWN_MEMBER_ID",
        })),
      }));
      return { throttleTimeMs: 0, topics: answered };
    },
    OffsetDelete: () => ({
      errorCode: "NONE",
      throttleTimeMs: 0,
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, errorCode: "GROUP_SUBSCRIBED_TO_TOPIC" }] }],
    }),
  });
  expect(await cluster.clock.until(admin.listGroupOffsets("g"))).toEqual([
    { topic: "t", partition: 1, offset: 7, leaderEpoch: 2, metadata: "m" },
  ]);
  const [set, refused] = await cluster.clock.until(
    admin.alterGroupOffsets("g", [
      { topic: "t", partition: 0, offset: 4 },
      { topic: "t", partition: 1, offset: 4 },
    ]),
  );
  expect(set).toEqual({ topic: "t", partition: 0, error: null });
  expect(refused?.error).toMatchObject({ code: "NON_EMPTY_GROUP" });
  const [former] = await cluster.clock.until(
    admin.alterGroupOffsets("g", [{ topic: "t", partition: 0, offset: 4, topicId: `${"A".repeat(21)}Q` }]),
  );
  expect(former?.error).toMatchObject({ code: "UNKNOWN_TOPIC_ID" });
  const [kept] = await cluster.clock.until(admin.deleteGroupOffsets("g", [{ topic: "t", partition: 0 }]));
  expect(kept?.error).toMatchObject({ code: "GROUP_SUBSCRIBED_TO_TOPIC" });
});
