import {
  type CreatePartitionsRequest,
  type CreatePartitionsResponse,
  createPartitionsRequest,
  createPartitionsResponse,
} from "../../protocol/messages/create-partitions.ts";
import type { ControllerService } from "../controller/controller-service.ts";
import { boundedWaitMs, type ControllerApi } from "./api.ts";
import { answerInPlace, repeated } from "./item-answers.ts";

type TopicRequest = CreatePartitionsRequest["topics"][number];
type TopicResponse = CreatePartitionsResponse["results"][number];

/**
 * Behavior: raises the number of each topic's partitions to `count`, or says why not; `validateOnly` changes nothing. A topic named twice
 * in one request is INVALID_REQUEST.
 * Version notes: 0 to 3 differ in their encoding only.
 */
export function createPartitionsApi(
  controller: Pick<ControllerService, "createPartitions">,
): ControllerApi<CreatePartitionsRequest, CreatePartitionsResponse> {
  return {
    request: createPartitionsRequest,
    response: createPartitionsResponse,
    controllerOnly: true,
    async handle({ topics, timeoutMs, validateOnly }, { meter }) {
      const twice = repeated(topics.map(({ name }) => name));
      const refuse = ({ name }: TopicRequest): TopicResponse | null =>
        twice.has(name) ? { name, errorCode: "INVALID_REQUEST", errorMessage: "The topic is named more than once." } : null;
      const create = async (accepted: readonly TopicRequest[]): Promise<TopicResponse[]> => {
        const wanted = accepted.map(({ name, count, assignments }) => ({
          name,
          count,
          assignments: assignments?.map(({ brokerIds }) => brokerIds) ?? null,
        }));
        const verdicts = await controller.createPartitions(wanted, { timeoutMs: boundedWaitMs(timeoutMs), validateOnly });
        return verdicts.map(({ name, error, message }) => ({ name, errorCode: error, errorMessage: message }));
      };
      return { throttleTimeMs: 0, results: await answerInPlace(topics, meter, refuse, create) };
    },
    failed: ({ topics }, error, message) => ({
      throttleTimeMs: 0,
      results: topics.map(({ name }) => ({ name, errorCode: error, errorMessage: message })),
    }),
  };
}
