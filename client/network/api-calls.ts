import { apiVersionsRequest, apiVersionsResponse } from "../../protocol/messages/api-versions.ts";
import { createPartitionsRequest, createPartitionsResponse } from "../../protocol/messages/create-partitions.ts";
import { createTopicsRequest, createTopicsResponse } from "../../protocol/messages/create-topics.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../../protocol/messages/delete-topics.ts";
import { describeClusterRequest, describeClusterResponse } from "../../protocol/messages/describe-cluster.ts";
import { describeConfigsRequest, describeConfigsResponse } from "../../protocol/messages/describe-configs.ts";
import { electLeadersRequest, electLeadersResponse } from "../../protocol/messages/elect-leaders.ts";
import { fetchRequest, fetchResponse } from "../../protocol/messages/fetch.ts";
import { incrementalAlterConfigsRequest, incrementalAlterConfigsResponse } from "../../protocol/messages/incremental-alter-configs.ts";
import { listOffsetsRequest, listOffsetsResponse } from "../../protocol/messages/list-offsets.ts";
import { metadataRequest, metadataResponse } from "../../protocol/messages/metadata.ts";
import { offsetForLeaderEpochRequest, offsetForLeaderEpochResponse } from "../../protocol/messages/offset-for-leader-epoch.ts";
import { produceRequest, produceResponse } from "../../protocol/messages/produce.ts";
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
  fetch: call(fetchRequest, fetchResponse),
  listOffsets: call(listOffsetsRequest, listOffsetsResponse),
  offsetForLeaderEpoch: call(offsetForLeaderEpochRequest, offsetForLeaderEpochResponse),
  createTopics: call(createTopicsRequest, createTopicsResponse),
  deleteTopics: call(deleteTopicsRequest, deleteTopicsResponse),
  createPartitions: call(createPartitionsRequest, createPartitionsResponse),
  describeCluster: call(describeClusterRequest, describeClusterResponse),
  describeConfigs: call(describeConfigsRequest, describeConfigsResponse),
  incrementalAlterConfigs: call(incrementalAlterConfigsRequest, incrementalAlterConfigsResponse),
  electLeaders: call(electLeadersRequest, electLeadersResponse),
} as const;
