import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type DescribeClusterRequest,
  type DescribeClusterResponse,
  describeClusterRequest,
  describeClusterResponse,
} from "../../protocol/messages/describe-cluster.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import type { Api } from "./api.ts";
import { allClusterOperations, operationsNotAsked } from "./authorized-operations.ts";
import { nodesOn } from "./leader-hints.ts";

/**
 * Behavior: the cluster's id, its controller and the live brokers as the request's listener reaches them (KIP-700).
 * Version notes: 1 adds the endpoint type (KIP-919); only brokers (1) can be described, there are no separate controllers.
 */
export function describeClusterApi(images: Pick<ImageSource, "current">): Api<DescribeClusterRequest, DescribeClusterResponse> {
  return {
    request: describeClusterRequest,
    response: describeClusterResponse,
    async handle(request, { listener }) {
      const image = images.current;
      const refusal = refuseEndpointType(request.endpointType);
      if (refusal !== null)
        return { ...common, ...refusal, clusterId: "", controllerId: -1, brokers: [], clusterAuthorizedOperations: operationsNotAsked };
      return {
        ...common,
        errorCode: "NONE",
        errorMessage: null,
        clusterId: image.clusterId,
        controllerId: image.controllerId,
        brokers: nodesOn(image, listener).map(({ nodeId, ...rest }) => ({ brokerId: nodeId, ...rest })),
        clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? allClusterOperations : operationsNotAsked,
      };
    },
  };
}

const endpointType = { brokers: 1, controllers: 2 } as const;
const common = { throttleTimeMs: 0, endpointType: endpointType.brokers } as const;

function refuseEndpointType(asked: number): { readonly errorCode: KafkaErrorCode; readonly errorMessage: string } | null {
  if (asked === endpointType.brokers) return null;
  if (asked === endpointType.controllers)
    return { errorCode: "MISMATCHED_ENDPOINT_TYPE", errorMessage: "this is a broker's listener; the controllers have none of their own" };
  return { errorCode: "UNSUPPORTED_ENDPOINT_TYPE", errorMessage: `no endpoint type ${asked}` };
}
