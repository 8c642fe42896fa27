import { expect, test } from "vitest";
import { consumerGroupHeartbeatApi } from "../../../broker/api/consumer-group-heartbeat.ts";
import { deleteGroupsApi } from "../../../broker/api/delete-groups.ts";
import type { GroupService } from "../../../broker/api/group-context.ts";
import { heartbeatApi } from "../../../broker/api/heartbeat.ts";
import { joinGroupApi } from "../../../broker/api/join-group.ts";
import { leaveGroupApi } from "../../../broker/api/leave-group.ts";
import { offsetCommitApi } from "../../../broker/api/offset-commit.ts";
import { offsetDeleteApi } from "../../../broker/api/offset-delete.ts";
import { syncGroupApi } from "../../../broker/api/sync-group.ts";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import { answerOf, image, partition, topic, topicId } from "./fixtures.ts";

const images = { current: image([topic("t", topicId("t"), [partition(0)])]) };

test("whatever changes a group says which connection it came over", async () => {
  const origins: unknown[] = [];
  const run: GroupService["run"] = async (_groupId, _operation, origin) => {
    origins.push(origin);
    return { error: "NOT_COORDINATOR" };
  };
  const groups: GroupService = { run, runEvenUnnamed: run, listGroups: async () => ({ error: null, groups: [] }) };
  const of = { origin: { acceptedMs: 7, retire: () => {} } };
  const member = { groupId: "g", generationId: 1, memberId: "m", groupInstanceId: null };
  const partitions = [{ partitionIndex: 0, committedOffset: 56, committedLeaderEpoch: -1, commitTimestamp: -1, committedMetadata: "" }];
  const committing = {
    ...member,
    generationIdOrMemberEpoch: 1,
    retentionTimeMs: -1,
    topics: [{ name: "t", topicId: zeroTopicId, partitions }],
  };
  const syncing = { ...member, protocolType: "consumer", protocolName: "range", assignments: [] };
  const leaving = { groupId: "g", memberId: "m", members: [{ memberId: "m", groupInstanceId: null, reason: null }] };
  const beating = {
    ...{ groupId: "g", memberId: "m", memberEpoch: 1, instanceId: null, rackId: null, rebalanceTimeoutMs: -1 },
    ...{ subscribedTopicNames: null, subscribedTopicRegex: null, serverAssignor: null, topicPartitions: null },
  };
  const joining = {
    ...{ groupId: "g", sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 20_000, memberId: "m", groupInstanceId: null },
    ...{ protocolType: "consumer", protocols: [], reason: null },
  };
  await answerOf(joinGroupApi(groups), joining, 5, of);
  await answerOf(syncGroupApi(groups), syncing, 5, of);
  await answerOf(heartbeatApi(groups), member, 4, of);
  await answerOf(leaveGroupApi(groups), leaving, 5, of);
  await answerOf(offsetCommitApi(groups, images), committing, 8, of);
  await answerOf(offsetCommitApi(groups, images), { ...committing, generationIdOrMemberEpoch: -1 }, 8, of);
  await answerOf(offsetDeleteApi(groups, images), { groupId: "g", topics: [{ name: "t", partitions: [{ partitionIndex: 0 }] }] }, 0, of);
  await answerOf(deleteGroupsApi(groups), { groupsNames: ["g"] }, 2, of);
  await answerOf(consumerGroupHeartbeatApi(groups), beating, 0, of);
  expect(origins).toEqual(Array.from({ length: 9 }, () => of.origin));
});
