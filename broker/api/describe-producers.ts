import {
  type DescribeProducersRequest,
  type DescribeProducersResponse,
  describeProducersRequest,
  describeProducersResponse,
} from "../../protocol/messages/describe-producers.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import type { ProducerLookup, ProducerStanding } from "../partition/client-contract.ts";
import { partitionsByTopic } from "../runtime/each-once.ts";
import type { Api } from "./api.ts";
import { asMetadataSays } from "./leader-hints.ts";
import { answerEach, countedAlready } from "./request-meter.ts";

type PartitionAnswer = DescribeProducersResponse["topics"][number]["partitions"][number];

/**
 * Behavior: the state of the idempotent producers that the logs on this broker know: the last batch of each. Any replica answers, not only
 * the leader, so that replicas can be compared.
 * Version notes: there is one.
 */
export function describeProducersApi(
  partitions: ProducerLookup,
  images: Pick<ImageSource, "current">,
): Api<DescribeProducersRequest, DescribeProducersResponse> {
  return {
    request: describeProducersRequest,
    response: describeProducersResponse,
    async handle(request, { meter }) {
      const answerFor = (topic: string, partitionIndex: number): PartitionAnswer => {
        const ref = { topic, partition: partitionIndex };
        const replica = partitions.find(ref);
        const errorCode = replica === null ? asMetadataSays(images.current, ref, "NOT_LEADER_OR_FOLLOWER") : "NONE";
        return { partitionIndex, errorCode, errorMessage: null, activeProducers: replica?.producers().map(described) ?? [] };
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
