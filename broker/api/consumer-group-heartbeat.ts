import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type ConsumerGroupHeartbeatRequest,
  type ConsumerGroupHeartbeatResponse,
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
} from "../../protocol/messages/consumer-group-heartbeat.ts";
import type { Api } from "./api.ts";
import { clientOf, type GroupService, memberError } from "./group-context.ts";

/**
 * Behavior: a member of a consumer group (KIP-848) joins, stays, reports what it owns and leaves, all with this one request; the answer has
 * its epoch and, when it changed, its assignment. A partition is in the answer of its new owner only after the old one has reported that it
 * revoked it.
 */
export function consumerGroupHeartbeatApi(
  groups: Pick<GroupService, "run">,
): Api<ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse> {
  return {
    request: consumerGroupHeartbeatRequest,
    response: consumerGroupHeartbeatResponse,
    async handle(request, context) {
      const from = { ...clientOf(context), apiVersion: context.apiVersion };
      const ran = await groups.run<ConsumerGroupHeartbeatResponse>(
        request.groupId,
        (machine, now) => machine.consumer.heartbeat(request, from, now),
        context.origin,
      );
      if (ran.error === null) return ran.value;
      if (ran.error === "INVALID_GROUP_ID") return failed("INVALID_REQUEST", "GroupId can't be empty.");
      return failed(memberError(ran.error), null);
    },
  };
}

function failed(errorCode: KafkaErrorCode, errorMessage: string | null): ConsumerGroupHeartbeatResponse {
  return { throttleTimeMs: 0, errorCode, errorMessage, memberId: null, memberEpoch: 0, heartbeatIntervalMs: 0, assignment: null };
}
