import { askedKey } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type AlterPartitionReassignmentsRequest,
  type AlterPartitionReassignmentsResponse,
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from "../../protocol/messages/alter-partition-reassignments.ts";
import type { ControllerService, ReplicasWanted } from "../controller/controller-service.ts";
import { distinct } from "../runtime/each-once.ts";
import { boundedWaitMs, type ControllerApi } from "./api.ts";
import { repeated } from "./item-answers.ts";

type TopicResponse = AlterPartitionReassignmentsResponse["responses"][number];

/**
 * Behavior: has each partition move to the replicas named, or, with null, back to those that it had before the move under way. Answered
 * when that is decided, which is long before it is done: ListPartitionReassignments tells. A partition that is named more than once is
 * INVALID_REQUEST.
 * Version notes: whether the number of replicas may change since 1; before, it may.
 */
export function alterPartitionReassignmentsApi(
  controller: Pick<ControllerService, "alterPartitionReassignments">,
): ControllerApi<AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse> {
  return {
    request: alterPartitionReassignmentsRequest,
    response: alterPartitionReassignmentsResponse,
    controllerOnly: true,
    async handle({ topics, timeoutMs, allowReplicationFactorChange }) {
      const named = topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, replicas }): ReplicasWanted => ({ topic: name, partition: partitionIndex, replicas })),
      );
      const twice = repeated(named.map(keyOf));
      const asked = named.filter((one) => !twice.has(keyOf(one)));
      const options = {
        timeoutMs: boundedWaitMs(timeoutMs),
        validateOnly: false,
        mayChangeReplicationFactor: allowReplicationFactorChange,
      };
      const verdicts = new Map((await controller.alterPartitionReassignments(asked, options)).map((verdict) => [keyOf(verdict), verdict]));
      const answers = distinct(named, keyOf).map((one) => {
        const { error, message } = verdicts.get(keyOf(one)) ?? {
          error: "INVALID_REQUEST" as const,
          message: "It is named more than once.",
        };
        return { ...one, error, message };
      });
      // nothing was begun if it was no controller that answered
      const isRefused = answers.length > 0 && answers.every(({ error }) => error === "NOT_CONTROLLER");
      return {
        throttleTimeMs: 0,
        allowReplicationFactorChange,
        errorCode: isRefused ? "NOT_CONTROLLER" : "NONE",
        errorMessage: isRefused ? answers[0]!.message : null,
        responses: [...Map.groupBy(answers, ({ topic }) => topic)].map(
          ([name, ofOne]): TopicResponse => ({
            name,
            partitions: ofOne.map(({ partition, error, message }) => ({
              partitionIndex: partition,
              errorCode: error,
              errorMessage: message,
            })),
          }),
        ),
      };
    },
    failed: refused,
  };
}

function keyOf({ topic, partition }: Pick<ReplicasWanted, "topic" | "partition">): string {
  return askedKey(topic, partition);
}

function refused(
  { allowReplicationFactorChange }: AlterPartitionReassignmentsRequest,
  errorCode: KafkaErrorCode,
  errorMessage: string,
): AlterPartitionReassignmentsResponse {
  return { throttleTimeMs: 0, allowReplicationFactorChange, errorCode, errorMessage, responses: [] };
}
