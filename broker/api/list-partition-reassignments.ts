import {
  type ListPartitionReassignmentsRequest,
  type ListPartitionReassignmentsResponse,
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from "../../protocol/messages/list-partition-reassignments.ts";
import type { ControllerService } from "../controller/controller-service.ts";
import { eachPartitionOnce } from "../runtime/each-once.ts";
import { boundedWaitMs, type ControllerApi } from "./api.ts";

/**
 * Behavior: the reassignments under way, of the partitions named or, with null, of all. What is not being reassigned, or does not exist, is
 * left out.
 */
export function listPartitionReassignmentsApi(
  controller: Pick<ControllerService, "listPartitionReassignments">,
): ControllerApi<ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse> {
  return {
    request: listPartitionReassignmentsRequest,
    response: listPartitionReassignmentsResponse,
    controllerOnly: true,
    async handle({ topics, timeoutMs }) {
      const named = topics === null ? null : eachPartitionOnce(topics);
      const { error, message, reassignments } = await controller.listPartitionReassignments(named, boundedWaitMs(timeoutMs));
      return {
        throttleTimeMs: 0,
        errorCode: error,
        errorMessage: message,
        topics: [...Map.groupBy(reassignments, ({ topic }) => topic)].map(([name, ofOne]) => ({
          name,
          partitions: ofOne.map(({ partition, replicas, adding, removing }) => ({
            partitionIndex: partition,
            replicas,
            addingReplicas: adding,
            removingReplicas: removing,
          })),
        })),
      };
    },
    failed: (_request, errorCode, errorMessage) => ({ throttleTimeMs: 0, errorCode, errorMessage, topics: [] }),
  };
}
