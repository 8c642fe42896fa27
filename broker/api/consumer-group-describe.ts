import {
  type ConsumerGroupDescribeRequest,
  type ConsumerGroupDescribeResponse,
  consumerGroupDescribeRequest,
  consumerGroupDescribeResponse,
} from "../../protocol/messages/consumer-group-describe.ts";
import { type DescribedConsumerGroup, undescribed } from "../group/consumer/describe-consumer-group.ts";
import type { Api } from "./api.ts";
import { allGroupOperations, operationsNotAsked } from "./authorized-operations.ts";
import { type GroupService, memberError } from "./group-context.ts";
import { answerEach } from "./request-meter.ts";

/**
 * Behavior: epochs, members, and their current and target assignments, of consumer groups (KIP-848). Groups of another kind are
 * GROUP_ID_NOT_FOUND here: DescribeGroups describes those. So is the empty group id, which offsets may be kept under: Kafka's own tool asks
 * here first, and any other error ends its whole command.
 */
export function consumerGroupDescribeApi(
  groups: Pick<GroupService, "runEvenUnnamed">,
): Api<ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse> {
  return {
    request: consumerGroupDescribeRequest,
    response: consumerGroupDescribeResponse,
    async handle({ groupIds, includeAuthorizedOperations }, { meter }) {
      const described = await answerEach(new Set(groupIds), meter, async (groupId) => {
        const ran = await groups.runEvenUnnamed<DescribedConsumerGroup>(groupId, (machine) => machine.consumer.describe(groupId));
        const group = ran.error === null ? ran.value : undescribed(groupId, memberError(ran.error), null);
        const isTold = includeAuthorizedOperations && group.errorCode === "NONE";
        return { ...group, authorizedOperations: isTold ? allGroupOperations : operationsNotAsked };
      });
      return { throttleTimeMs: 0, groups: described };
    },
  };
}
