import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int8, int32, nullableErrorMessage, nullableString, string } from "../schema/primitives.ts";

const api = { apiKey: 60, versions: [0, 1], flexibleSince: 0 } as const;

export const describeClusterRequest = message(
  { ...api, name: "DescribeClusterRequest" },
  {
    includeClusterAuthorizedOperations: bool(),
    /** 1: brokers; 2: controllers (KIP-919). */
    endpointType: int8({ since: 1, absent: 1 }),
  },
);
export type DescribeClusterRequest = MessageType<typeof describeClusterRequest>;

export const describeClusterResponse = message(
  { ...api, name: "DescribeClusterResponse" },
  {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    errorMessage: nullableErrorMessage(),
    endpointType: int8({ since: 1, absent: 1 }),
    clusterId: string(),
    controllerId: int32(),
    brokers: array(struct({ brokerId: int32(), host: string(), port: int32(), rack: nullableString() })),
    /** One bit per operation; -(2 ** 31): not requested. */
    clusterAuthorizedOperations: int32(),
  },
);
export type DescribeClusterResponse = MessageType<typeof describeClusterResponse>;
