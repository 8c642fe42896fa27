import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type ElectLeadersRequest,
  type ElectLeadersResponse,
  electLeadersRequest,
  electLeadersResponse,
} from "../../protocol/messages/elect-leaders.ts";
import type { ControllerService, Verdict } from "../controller/controller-service.ts";
import { eachPartitionOnce } from "../runtime/each-once.ts";
import { boundedWaitMs, type ControllerApi } from "./api.ts";

type TopicResult = ElectLeadersResponse["replicaElectionResults"][number];
type Elected = Verdict & { readonly topic: string; readonly partition: number };

/**
 * Behavior: makes the preferred replica lead (or, unclean, any live one where there is no leader). Null means all partitions; those that
 * need no election are then left out of the response. Each is elected, and answered, once, as in Kafka.
 * Version notes: the kind of election and an error for the whole request since 1 (KIP-460); 0 is always preferred and has errors by
 * partition only.
 */
export function electLeadersApi(
  controller: Pick<ControllerService, "electLeaders">,
): ControllerApi<ElectLeadersRequest, ElectLeadersResponse> {
  return {
    request: electLeadersRequest,
    response: electLeadersResponse,
    controllerOnly: true,
    async handle(request) {
      const { electionType, topicPartitions, timeoutMs } = request;
      const kind = electionKind(electionType);
      if (kind === null) return refused(request, "INVALID_REQUEST", `There is no election type ${electionType}.`);
      const partitions = topicPartitions === null ? null : eachOnce(topicPartitions);
      const elected = await controller.electLeaders(kind, partitions, { timeoutMs: boundedWaitMs(timeoutMs), validateOnly: false });
      const told = partitions === null ? elected.filter(({ error }) => error !== "ELECTION_NOT_NEEDED") : elected;
      return { throttleTimeMs: 0, errorCode: "NONE", replicaElectionResults: byTopic(told) };
    },
    failed: refused,
  };
}

/** Two elections of the same partition in one transaction would make each other fail, and be retried one by one. */
function eachOnce(named: NonNullable<ElectLeadersRequest["topicPartitions"]>) {
  return eachPartitionOnce(named.map(({ topic, partitions }) => ({ name: topic, partitionIndexes: partitions })));
}

function electionKind(electionType: number): "preferred" | "unclean" | null {
  if (electionType === 0) return "preferred";
  return electionType === 1 ? "unclean" : null;
}

function byTopic(elected: readonly Elected[]): TopicResult[] {
  return [...Map.groupBy(elected, ({ topic }) => topic)].map(([topic, results]) => ({
    topic,
    partitionResult: results.map(({ partition, error, message }) => ({ partitionId: partition, errorCode: error, errorMessage: message })),
  }));
}

function refused({ topicPartitions }: ElectLeadersRequest, errorCode: KafkaErrorCode, errorMessage: string): ElectLeadersResponse {
  const replicaElectionResults = (topicPartitions ?? []).map(({ topic, partitions }) => ({
    topic,
    partitionResult: partitions.map((partitionId) => ({ partitionId, errorCode, errorMessage })),
  }));
  return { throttleTimeMs: 0, errorCode, replicaElectionResults };
}
