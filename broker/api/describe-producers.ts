import {
  type DescribeProducersRequest,
  type DescribeProducersResponse,
  describeProducersRequest,
  describeProducersResponse,
} from "../../protocol/messages/describe-producers.ts";
import type { ImageSource } from "../cluster/contract.ts";
import type { PartitionService, ProducerStanding } from "../partition/contract.ts";
import type { Api } from "./api.ts";
import { asMetadataSays } from "./leader-hints.ts";

/**
 * Behavior: what the logs on this broker know of the producers that write to them with an id: what each did last. Any replica answers, not only the leader, so that they can be compared.
 * Version notes: there is one.
 */
export function describeProducersApi(
  partitions: Pick<PartitionService, "producers">,
  images: Pick<ImageSource, "current">,
): Api<DescribeProducersRequest, DescribeProducersResponse> {
  return {
    request: describeProducersRequest,
    response: describeProducersResponse,
    async handle(request) {
      const topics = request.topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partitionIndex) => {
          const ref = { topic: name, partition: partitionIndex };
          const found = partitions.producers(ref);
          return found.error === null
            ? ({ partitionIndex, errorCode: "NONE", errorMessage: null, activeProducers: found.producers.map(described) } as const)
            : { partitionIndex, errorCode: asMetadataSays(images.current, ref, found.error), errorMessage: null, activeProducers: [] };
        }),
      }));
      return { throttleTimeMs: 0, topics };
    },
  };
}

function described({ producerId, epoch, lastSequence, timestampMs, coordinatorEpoch, transactionFirstOffset }: ProducerStanding) {
  return {
    producerId,
    producerEpoch: epoch,
    lastSequence,
    lastTimestamp: timestampMs,
    coordinatorEpoch,
    currentTxnStartOffset: transactionFirstOffset,
  };
}
