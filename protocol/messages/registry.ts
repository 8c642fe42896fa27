import type { Message } from "../schema/message.ts";
import { alterConfigsRequest, alterConfigsResponse } from "./alter-configs.ts";
import { alterReplicaLogDirsRequest, alterReplicaLogDirsResponse } from "./alter-replica-log-dirs.ts";
import { apiVersionsRequest, apiVersionsResponse } from "./api-versions.ts";
import { consumerGroupDescribeRequest, consumerGroupDescribeResponse } from "./consumer-group-describe.ts";
import { consumerGroupHeartbeatRequest, consumerGroupHeartbeatResponse } from "./consumer-group-heartbeat.ts";
import { createPartitionsRequest, createPartitionsResponse } from "./create-partitions.ts";
import { createTopicsRequest, createTopicsResponse } from "./create-topics.ts";
import { deleteGroupsRequest, deleteGroupsResponse } from "./delete-groups.ts";
import { deleteRecordsRequest, deleteRecordsResponse } from "./delete-records.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "./delete-topics.ts";
import { describeClusterRequest, describeClusterResponse } from "./describe-cluster.ts";
import { describeConfigsRequest, describeConfigsResponse } from "./describe-configs.ts";
import { describeGroupsRequest, describeGroupsResponse } from "./describe-groups.ts";
import { describeLogDirsRequest, describeLogDirsResponse } from "./describe-log-dirs.ts";
import { describeProducersRequest, describeProducersResponse } from "./describe-producers.ts";
import { describeTopicPartitionsRequest, describeTopicPartitionsResponse } from "./describe-topic-partitions.ts";
import { electLeadersRequest, electLeadersResponse } from "./elect-leaders.ts";
import { fetchRequest, fetchResponse } from "./fetch.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "./find-coordinator.ts";
import { heartbeatRequest, heartbeatResponse } from "./heartbeat.ts";
import { incrementalAlterConfigsRequest, incrementalAlterConfigsResponse } from "./incremental-alter-configs.ts";
import { initProducerIdRequest, initProducerIdResponse } from "./init-producer-id.ts";
import { joinGroupRequest, joinGroupResponse } from "./join-group.ts";
import { leaveGroupRequest, leaveGroupResponse } from "./leave-group.ts";
import { listGroupsRequest, listGroupsResponse } from "./list-groups.ts";
import { listOffsetsRequest, listOffsetsResponse } from "./list-offsets.ts";
import { metadataRequest, metadataResponse } from "./metadata.ts";
import { offsetCommitRequest, offsetCommitResponse } from "./offset-commit.ts";
import { offsetDeleteRequest, offsetDeleteResponse } from "./offset-delete.ts";
import { offsetFetchRequest, offsetFetchResponse } from "./offset-fetch.ts";
import { offsetForLeaderEpochRequest, offsetForLeaderEpochResponse } from "./offset-for-leader-epoch.ts";
import { produceRequest, produceResponse } from "./produce.ts";
import { syncGroupRequest, syncGroupResponse } from "./sync-group.ts";

/** An API as a pair of messages, whatever they hold: for code that treats all APIs alike. */
export interface MessagePair {
  /** Kafka's name of the API, without "Request" or "Response". */
  readonly name: string;
  readonly request: Message<unknown>;
  readonly response: Message<unknown>;
}

function pair<Req, Res>(request: Message<Req>, response: Message<Res>): readonly [number, MessagePair] {
  const name = request.name.slice(0, -"Request".length);
  return [request.apiKey, { name, request: request as Message<unknown>, response: response as Message<unknown> }];
}

/** Every API that we have messages for, by API key. Which of them a broker serves is decided elsewhere. */
export const messagesByKey: ReadonlyMap<number, MessagePair> = new Map([
  pair(apiVersionsRequest, apiVersionsResponse),
  pair(metadataRequest, metadataResponse),
  pair(produceRequest, produceResponse),
  pair(fetchRequest, fetchResponse),
  pair(listOffsetsRequest, listOffsetsResponse),
  pair(describeProducersRequest, describeProducersResponse),
  pair(offsetForLeaderEpochRequest, offsetForLeaderEpochResponse),
  pair(createTopicsRequest, createTopicsResponse),
  pair(deleteTopicsRequest, deleteTopicsResponse),
  pair(deleteRecordsRequest, deleteRecordsResponse),
  pair(createPartitionsRequest, createPartitionsResponse),
  pair(describeClusterRequest, describeClusterResponse),
  pair(describeConfigsRequest, describeConfigsResponse),
  pair(alterConfigsRequest, alterConfigsResponse),
  pair(incrementalAlterConfigsRequest, incrementalAlterConfigsResponse),
  pair(describeLogDirsRequest, describeLogDirsResponse),
  pair(alterReplicaLogDirsRequest, alterReplicaLogDirsResponse),
  pair(describeTopicPartitionsRequest, describeTopicPartitionsResponse),
  pair(electLeadersRequest, electLeadersResponse),
  pair(findCoordinatorRequest, findCoordinatorResponse),
  pair(initProducerIdRequest, initProducerIdResponse),
  pair(joinGroupRequest, joinGroupResponse),
  pair(syncGroupRequest, syncGroupResponse),
  pair(heartbeatRequest, heartbeatResponse),
  pair(leaveGroupRequest, leaveGroupResponse),
  pair(offsetCommitRequest, offsetCommitResponse),
  pair(offsetFetchRequest, offsetFetchResponse),
  pair(describeGroupsRequest, describeGroupsResponse),
  pair(listGroupsRequest, listGroupsResponse),
  pair(deleteGroupsRequest, deleteGroupsResponse),
  pair(offsetDeleteRequest, offsetDeleteResponse),
  pair(consumerGroupHeartbeatRequest, consumerGroupHeartbeatResponse),
  pair(consumerGroupDescribeRequest, consumerGroupDescribeResponse),
]);
