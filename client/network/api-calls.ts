import { alterConfigsRequest, alterConfigsResponse } from "../../protocol/messages/alter-configs.ts";
import { alterReplicaLogDirsRequest, alterReplicaLogDirsResponse } from "../../protocol/messages/alter-replica-log-dirs.ts";
import { apiVersionsRequest, apiVersionsResponse } from "../../protocol/messages/api-versions.ts";
import { consumerGroupDescribeRequest, consumerGroupDescribeResponse } from "../../protocol/messages/consumer-group-describe.ts";
import { consumerGroupHeartbeatRequest, consumerGroupHeartbeatResponse } from "../../protocol/messages/consumer-group-heartbeat.ts";
import { createPartitionsRequest, createPartitionsResponse } from "../../protocol/messages/create-partitions.ts";
import { createTopicsRequest, createTopicsResponse } from "../../protocol/messages/create-topics.ts";
import { deleteGroupsRequest, deleteGroupsResponse } from "../../protocol/messages/delete-groups.ts";
import { deleteRecordsRequest, deleteRecordsResponse } from "../../protocol/messages/delete-records.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../../protocol/messages/delete-topics.ts";
import { describeClusterRequest, describeClusterResponse } from "../../protocol/messages/describe-cluster.ts";
import { describeConfigsRequest, describeConfigsResponse } from "../../protocol/messages/describe-configs.ts";
import { describeGroupsRequest, describeGroupsResponse } from "../../protocol/messages/describe-groups.ts";
import { describeLogDirsRequest, describeLogDirsResponse } from "../../protocol/messages/describe-log-dirs.ts";
import { electLeadersRequest, electLeadersResponse } from "../../protocol/messages/elect-leaders.ts";
import { fetchRequest, fetchResponse } from "../../protocol/messages/fetch.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "../../protocol/messages/find-coordinator.ts";
import { heartbeatRequest, heartbeatResponse } from "../../protocol/messages/heartbeat.ts";
import { incrementalAlterConfigsRequest, incrementalAlterConfigsResponse } from "../../protocol/messages/incremental-alter-configs.ts";
import { initProducerIdRequest, initProducerIdResponse } from "../../protocol/messages/init-producer-id.ts";
import { joinGroupRequest, joinGroupResponse } from "../../protocol/messages/join-group.ts";
import { leaveGroupRequest, leaveGroupResponse } from "../../protocol/messages/leave-group.ts";
import { listGroupsRequest, listGroupsResponse } from "../../protocol/messages/list-groups.ts";
import { listOffsetsRequest, listOffsetsResponse } from "../../protocol/messages/list-offsets.ts";
import { metadataRequest, metadataResponse } from "../../protocol/messages/metadata.ts";
import { offsetCommitRequest, offsetCommitResponse } from "../../protocol/messages/offset-commit.ts";
import { offsetDeleteRequest, offsetDeleteResponse } from "../../protocol/messages/offset-delete.ts";
import { offsetFetchRequest, offsetFetchResponse } from "../../protocol/messages/offset-fetch.ts";
import { offsetForLeaderEpochRequest, offsetForLeaderEpochResponse } from "../../protocol/messages/offset-for-leader-epoch.ts";
import { produceRequest, produceResponse } from "../../protocol/messages/produce.ts";
import { syncGroupRequest, syncGroupResponse } from "../../protocol/messages/sync-group.ts";
import type { Message } from "../../protocol/schema/message.ts";

/** A request and its answer. */
export interface ApiCall<Req, Res> {
  readonly request: Message<Req>;
  readonly response: Message<Res>;
}

function call<Req, Res>(request: Message<Req>, response: Message<Res>): ApiCall<Req, Res> {
  return { request, response };
}

/** What the client asks brokers. */
export const calls = {
  apiVersions: call(apiVersionsRequest, apiVersionsResponse),
  metadata: call(metadataRequest, metadataResponse),
  produce: call(produceRequest, produceResponse),
  initProducerId: call(initProducerIdRequest, initProducerIdResponse),
  fetch: call(fetchRequest, fetchResponse),
  listOffsets: call(listOffsetsRequest, listOffsetsResponse),
  offsetForLeaderEpoch: call(offsetForLeaderEpochRequest, offsetForLeaderEpochResponse),
  createTopics: call(createTopicsRequest, createTopicsResponse),
  deleteTopics: call(deleteTopicsRequest, deleteTopicsResponse),
  deleteRecords: call(deleteRecordsRequest, deleteRecordsResponse),
  createPartitions: call(createPartitionsRequest, createPartitionsResponse),
  describeCluster: call(describeClusterRequest, describeClusterResponse),
  describeConfigs: call(describeConfigsRequest, describeConfigsResponse),
  alterConfigs: call(alterConfigsRequest, alterConfigsResponse),
  incrementalAlterConfigs: call(incrementalAlterConfigsRequest, incrementalAlterConfigsResponse),
  describeLogDirs: call(describeLogDirsRequest, describeLogDirsResponse),
  alterReplicaLogDirs: call(alterReplicaLogDirsRequest, alterReplicaLogDirsResponse),
  electLeaders: call(electLeadersRequest, electLeadersResponse),
  findCoordinator: call(findCoordinatorRequest, findCoordinatorResponse),
  joinGroup: call(joinGroupRequest, joinGroupResponse),
  syncGroup: call(syncGroupRequest, syncGroupResponse),
  heartbeat: call(heartbeatRequest, heartbeatResponse),
  leaveGroup: call(leaveGroupRequest, leaveGroupResponse),
  consumerGroupHeartbeat: call(consumerGroupHeartbeatRequest, consumerGroupHeartbeatResponse),
  offsetCommit: call(offsetCommitRequest, offsetCommitResponse),
  offsetFetch: call(offsetFetchRequest, offsetFetchResponse),
  offsetDelete: call(offsetDeleteRequest, offsetDeleteResponse),
  listGroups: call(listGroupsRequest, listGroupsResponse),
  describeGroups: call(describeGroupsRequest, describeGroupsResponse),
  consumerGroupDescribe: call(consumerGroupDescribeRequest, consumerGroupDescribeResponse),
  deleteGroups: call(deleteGroupsRequest, deleteGroupsResponse),
} as const;
