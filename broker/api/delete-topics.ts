import { type TopicId, zeroTopicId } from "../../protocol/base/ids.ts";
import type { KafkaError, KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type DeleteTopicsRequest,
  type DeleteTopicsResponse,
  deleteTopicsRequest,
  deleteTopicsResponse,
} from "../../protocol/messages/delete-topics.ts";
import type { ControllerService } from "../controller/controller-service.ts";
import { boundedWaitMs, type ControllerApi } from "./api.ts";
import { answerInPlace, repeated } from "./item-answers.ts";

type TopicResponse = DeleteTopicsResponse["responses"][number];

/** As the request names it: exactly one of both, if it is well formed. */
interface NamedTopic {
  readonly name: string | null;
  readonly id: TopicId | null;
}

/**
 * Behavior: deletes each topic or says why not. Named twice in one request, or both by name and by id: INVALID_REQUEST.
 * Version notes: before 3 a broker with deletion disabled says INVALID_REQUEST, then TOPIC_DELETION_DISABLED; messages since 5; by id since
 * 6 (KIP-516).
 */
export function deleteTopicsApi(
  controller: Pick<ControllerService, "deleteTopics">,
): ControllerApi<DeleteTopicsRequest, DeleteTopicsResponse> {
  return {
    request: deleteTopicsRequest,
    response: deleteTopicsResponse,
    controllerOnly: true,
    async handle(request, { apiVersion, meter }) {
      const topics = namedTopics(request);
      const names = repeated(topics.flatMap(({ name }) => name ?? []));
      const ids = repeated(topics.flatMap(({ id }) => id ?? []));
      const refuse = (topic: NamedTopic) => {
        const problem = problemOf(topic, names, ids);
        return problem === null ? null : failure(topic, "INVALID_REQUEST", problem);
      };
      const remove = async (accepted: readonly NamedTopic[]) => {
        const verdicts = await controller.deleteTopics(accepted, { timeoutMs: boundedWaitMs(request.timeoutMs), validateOnly: false });
        return verdicts.map(({ name, id, error, message }) => ({
          name,
          topicId: id ?? zeroTopicId,
          errorCode: errorInVersion(error, apiVersion),
          errorMessage: message,
        }));
      };
      return { throttleTimeMs: 0, responses: await answerInPlace(topics, meter, refuse, remove) };
    },
    failed: (request, error, message) => ({
      throttleTimeMs: 0,
      responses: namedTopics(request).map((topic) => failure(topic, error, message)),
    }),
  };
}

function namedTopics({ topics, topicNames }: DeleteTopicsRequest): readonly NamedTopic[] {
  if (topicNames.length > 0) return topicNames.map((name) => ({ name, id: null }));
  return topics.map(({ name, topicId }) => ({ name, id: topicId === zeroTopicId ? null : topicId }));
}

function problemOf({ name, id }: NamedTopic, repeatedNames: ReadonlySet<string>, repeatedIds: ReadonlySet<TopicId>): string | null {
  if (name === null && id === null) return "A topic has neither name nor id.";
  if (name !== null && id !== null) return "A topic has both name and id.";
  if (name !== null && repeatedNames.has(name)) return "The topic is named more than once.";
  if (id !== null && repeatedIds.has(id)) return "The topic's id is given more than once.";
  return null;
}

function errorInVersion(error: KafkaErrorCode, version: number): KafkaErrorCode {
  return error === "TOPIC_DELETION_DISABLED" && version < 3 ? "INVALID_REQUEST" : error;
}

function failure({ name, id }: NamedTopic, errorCode: KafkaError, errorMessage: string): TopicResponse {
  return { name, topicId: id ?? zeroTopicId, errorCode, errorMessage };
}
