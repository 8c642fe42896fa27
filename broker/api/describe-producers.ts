import {
  type DescribeProducersRequest,
  type DescribeProducersResponse,
  describeProducersRequest,
  describeProducersResponse,
} from "../../protocol/messages/describe-producers.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import type { PartitionService, ProducerStanding } from "../partition/contract.ts";
import { partitionsByTopic } from "../runtime/each-once.ts";
import type { Api } from "./api.ts";
import { asMetadataSays } from "./leader-hints.ts";
import { answerEach, countedAlready } from "./request-meter.ts";

type PartitionAnswer = DescribeProducersResponse["topics"][number]["partitions"][number];

/**
 * Behavior: what the logs on this broker know of the producers that write to them with an id: what each did last. Any replica answers, not
 * only the leader, so that they can be compared.
 * Version notes: there is one.
 */
export function describeProducersApi(
  partitions: Pick<PartitionService, "producers">,
  images: Pick<ImageSource, "current">,
): Api<DescribeProducersRequest, DescribeProducersResponse> {
  return {
    request: describeProducersRequest,
    response: describeProducersResponse,
    async handle(request, { meter }) {
      const answerFor = (topic: string, partitionIndex: number): PartitionAnswer => {
        const ref = { topic, partition: partitionIndex };
        const found = partitions.producers(ref);
        return found.error === null
          ? { partitionIndex, errorCode: "NONE", errorMessage: null, activeProducers: found.producers.map(described) }
          : { partitionIndex, errorCode: asMetadataSays(images.current, ref, found.error), errorMessage: null, activeProducers: [] };
      };
      const ofTopic = async ([name, asked]: readonly [string, ReadonlySet<number>]) => ({
        name,
        partitions: await answerEach(asked, meter, (partition) => answerFor(name, partition)),
      });
      const topics = await answerEach(partitionsByTopic(request.topics), meter, ofTopic, countedAlready);
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
