import type { Message, MessageType } from "../schema/message.ts";
import { addOffsetsToTxnRequest, addOffsetsToTxnResponse } from "./add-offsets-to-txn.ts";
import { addPartitionsToTxnRequest, addPartitionsToTxnResponse } from "./add-partitions-to-txn.ts";
import { alterConfigsRequest, alterConfigsResponse } from "./alter-configs.ts";
import { alterPartitionReassignmentsRequest, alterPartitionReassignmentsResponse } from "./alter-partition-reassignments.ts";
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
import { describeTransactionsRequest, describeTransactionsResponse } from "./describe-transactions.ts";
import { electLeadersRequest, electLeadersResponse } from "./elect-leaders.ts";
import { endTxnRequest, endTxnResponse } from "./end-txn.ts";
import { fetchRequest, fetchResponse } from "./fetch.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "./find-coordinator.ts";
import { heartbeatRequest, heartbeatResponse } from "./heartbeat.ts";
import { incrementalAlterConfigsRequest, incrementalAlterConfigsResponse } from "./incremental-alter-configs.ts";
import { initProducerIdRequest, initProducerIdResponse } from "./init-producer-id.ts";
import { joinGroupRequest, joinGroupResponse } from "./join-group.ts";
import { leaveGroupRequest, leaveGroupResponse } from "./leave-group.ts";
import { listGroupsRequest, listGroupsResponse } from "./list-groups.ts";
import { listOffsetsRequest, listOffsetsResponse } from "./list-offsets.ts";
import { listPartitionReassignmentsRequest, listPartitionReassignmentsResponse } from "./list-partition-reassignments.ts";
import { listTransactionsRequest, listTransactionsResponse } from "./list-transactions.ts";
import { metadataRequest, metadataResponse } from "./metadata.ts";
import { offsetCommitRequest, offsetCommitResponse } from "./offset-commit.ts";
import { offsetDeleteRequest, offsetDeleteResponse } from "./offset-delete.ts";
import { offsetFetchRequest, offsetFetchResponse } from "./offset-fetch.ts";
import { offsetForLeaderEpochRequest, offsetForLeaderEpochResponse } from "./offset-for-leader-epoch.ts";
import { produceRequest, produceResponse } from "./produce.ts";
import { syncGroupRequest, syncGroupResponse } from "./sync-group.ts";
import { txnOffsetCommitRequest, txnOffsetCommitResponse } from "./txn-offset-commit.ts";
import { updateFeaturesRequest, updateFeaturesResponse } from "./update-features.ts";
import { writeTxnMarkersRequest, writeTxnMarkersResponse } from "./write-txn-markers.ts";

/** An API: its request and the answer, whose key, versions and fields the messages hold. */
export interface MessagePair<Req = unknown, Res = unknown> {
  /** Kafka's name of the API, without "Request" or "Response". */
  readonly name: string;
  readonly request: Message<Req>;
  readonly response: Message<Res>;
}

function api<Req, Res>(request: Message<Req>, response: Message<Res>): MessagePair<Req, Res> {
  return { name: request.name.slice(0, -"Request".length), request, response };
}

/** The one list of the APIs that we speak: the broker has a handler for each of them, and the client names them from here. */
export const apis = {
  apiVersions: api(apiVersionsRequest, apiVersionsResponse),
  metadata: api(metadataRequest, metadataResponse),
  produce: api(produceRequest, produceResponse),
  fetch: api(fetchRequest, fetchResponse),
  listOffsets: api(listOffsetsRequest, listOffsetsResponse),
  describeProducers: api(describeProducersRequest, describeProducersResponse),
  offsetForLeaderEpoch: api(offsetForLeaderEpochRequest, offsetForLeaderEpochResponse),
  createTopics: api(createTopicsRequest, createTopicsResponse),
  deleteTopics: api(deleteTopicsRequest, deleteTopicsResponse),
  deleteRecords: api(deleteRecordsRequest, deleteRecordsResponse),
  createPartitions: api(createPartitionsRequest, createPartitionsResponse),
  describeCluster: api(describeClusterRequest, describeClusterResponse),
  describeConfigs: api(describeConfigsRequest, describeConfigsResponse),
  alterConfigs: api(alterConfigsRequest, alterConfigsResponse),
  incrementalAlterConfigs: api(incrementalAlterConfigsRequest, incrementalAlterConfigsResponse),
  updateFeatures: api(updateFeaturesRequest, updateFeaturesResponse),
  describeLogDirs: api(describeLogDirsRequest, describeLogDirsResponse),
  alterReplicaLogDirs: api(alterReplicaLogDirsRequest, alterReplicaLogDirsResponse),
  describeTopicPartitions: api(describeTopicPartitionsRequest, describeTopicPartitionsResponse),
  electLeaders: api(electLeadersRequest, electLeadersResponse),
  alterPartitionReassignments: api(alterPartitionReassignmentsRequest, alterPartitionReassignmentsResponse),
  listPartitionReassignments: api(listPartitionReassignmentsRequest, listPartitionReassignmentsResponse),
  findCoordinator: api(findCoordinatorRequest, findCoordinatorResponse),
  initProducerId: api(initProducerIdRequest, initProducerIdResponse),
  joinGroup: api(joinGroupRequest, joinGroupResponse),
  syncGroup: api(syncGroupRequest, syncGroupResponse),
  heartbeat: api(heartbeatRequest, heartbeatResponse),
  leaveGroup: api(leaveGroupRequest, leaveGroupResponse),
  offsetCommit: api(offsetCommitRequest, offsetCommitResponse),
  offsetFetch: api(offsetFetchRequest, offsetFetchResponse),
  describeGroups: api(describeGroupsRequest, describeGroupsResponse),
  listGroups: api(listGroupsRequest, listGroupsResponse),
  deleteGroups: api(deleteGroupsRequest, deleteGroupsResponse),
  offsetDelete: api(offsetDeleteRequest, offsetDeleteResponse),
  consumerGroupHeartbeat: api(consumerGroupHeartbeatRequest, consumerGroupHeartbeatResponse),
  consumerGroupDescribe: api(consumerGroupDescribeRequest, consumerGroupDescribeResponse),
  addPartitionsToTxn: api(addPartitionsToTxnRequest, addPartitionsToTxnResponse),
  addOffsetsToTxn: api(addOffsetsToTxnRequest, addOffsetsToTxnResponse),
  endTxn: api(endTxnRequest, endTxnResponse),
  writeTxnMarkers: api(writeTxnMarkersRequest, writeTxnMarkersResponse),
  txnOffsetCommit: api(txnOffsetCommitRequest, txnOffsetCommitResponse),
  describeTransactions: api(describeTransactionsRequest, describeTransactionsResponse),
  listTransactions: api(listTransactionsRequest, listTransactionsResponse),
} as const;

export type ApiName = keyof typeof apis;
export type RequestOf<N extends ApiName> = MessageType<(typeof apis)[N]["request"]>;
export type ResponseOf<N extends ApiName> = MessageType<(typeof apis)[N]["response"]>;

/** For code that treats all of them alike. */
export const messagesByKey: ReadonlyMap<number, MessagePair> = new Map(Object.values(apis).map((pair) => [pair.request.apiKey, pair]));
