import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import { type HeartbeatRequest, type HeartbeatResponse, heartbeatRequest, heartbeatResponse } from "../../protocol/messages/heartbeat.ts";
import type { Api } from "./api.ts";
import { type GroupService, memberError } from "./group-context.ts";

/**
 * Behavior: keeps a member's session alive; REBALANCE_IN_PROGRESS tells it to join again. While the groups are being loaded every session
 * is alive, so no member is sent away.
 * Version notes: static members since 3 (KIP-345).
 */
export function heartbeatApi(groups: Pick<GroupService, "run">): Api<HeartbeatRequest, HeartbeatResponse> {
  return {
    request: heartbeatRequest,
    response: heartbeatResponse,
    async handle(request, { origin }) {
      const { groupId } = request;
      const ran = await groups.run<KafkaErrorCode>(groupId, (machine, now) => machine.classic.heartbeat(groupId, request, now), origin);
      const error = ran.error === null ? ran.value : memberError(ran.error);
      return { throttleTimeMs: 0, errorCode: error === "COORDINATOR_LOAD_IN_PROGRESS" ? "NONE" : error };
    },
  };
}
