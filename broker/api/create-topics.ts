import { zeroTopicId } from "../../protocol/base/ids.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import {
  type CreateTopicsRequest,
  type CreateTopicsResponse,
  createTopicsRequest,
  createTopicsResponse,
} from "../../protocol/messages/create-topics.ts";
import type { ControllerService, CreatedTopic, TopicCreation, Verdict } from "../controller/controller-service.ts";
import type { DescribedConfig } from "../runtime/config/describe.ts";
import type { SettingTexts } from "../runtime/config/resolve.ts";
import { boundedWaitMs, type ControllerApi } from "./api.ts";
import { configEntry } from "./config-entries.ts";
import { answerInPlace, repeated } from "./item-answers.ts";
import { answerEach } from "./request-meter.ts";

type TopicRequest = CreateTopicsRequest["topics"][number];
type TopicResponse = CreateTopicsResponse["topics"][number];

/**
 * Behavior: creates each topic or says why not; `validateOnly` checks and answers alike, and creates nothing. A name that occurs twice in
 * one request is INVALID_REQUEST in all its places.
 * Version notes: validateOnly since 1; partitions and replication factor may be left to the broker (-1) since 4 according to KIP-464, but
 * kafkajs sends -1 in 3, and Kafka accepts that; since 5 the answer has the topic's resolved settings (KIP-525), since 7 its id.
 */
export function createTopicsApi(
  controller: Pick<ControllerService, "createTopics">,
  /** A topic's settings in force, given its own. */
  describeTopic: (own: SettingTexts) => readonly DescribedConfig[],
): ControllerApi<CreateTopicsRequest, CreateTopicsResponse> {
  return {
    request: createTopicsRequest,
    response: createTopicsResponse,
    controllerOnly: true,
    async handle({ topics, timeoutMs, validateOnly }, { meter }) {
      const twice = repeated(topics.map(({ name }) => name));
      const refuse = (topic: TopicRequest) =>
        twice.has(topic.name) ? failure(topic, "INVALID_REQUEST", "The topic is named more than once.") : null;
      const create = async (accepted: readonly TopicRequest[]) => {
        const verdicts = await controller.createTopics(accepted.map(topicCreation), { timeoutMs: boundedWaitMs(timeoutMs), validateOnly });
        return answerEach(verdicts.entries(), meter, ([i, verdict]) => answer(accepted[i]!, verdict, describeTopic));
      };
      return { throttleTimeMs: 0, topics: await answerInPlace(topics, meter, refuse, create) };
    },
    failed: ({ topics }, error, message) => ({ throttleTimeMs: 0, topics: topics.map((topic) => failure(topic, error, message)) }),
  };
}

function topicCreation({ name, numPartitions, replicationFactor, assignments, configs }: TopicRequest): TopicCreation {
  return {
    name,
    numPartitions,
    replicationFactor,
    assignments: assignments.map(({ partitionIndex, brokerIds }) => ({ partition: partitionIndex, brokerIds })),
    configs,
  };
}

function answer(
  asked: TopicRequest,
  verdict: Verdict & CreatedTopic,
  describeTopic: (own: SettingTexts) => readonly DescribedConfig[],
): TopicResponse {
  if (verdict.error !== "NONE") return failure(asked, verdict.error, verdict.message);
  const own = Object.fromEntries(asked.configs.flatMap(({ name, value }) => (value === null ? [] : [[name, value]])));
  return {
    name: asked.name,
    topicId: verdict.topicId,
    errorCode: "NONE",
    errorMessage: null,
    topicConfigErrorCode: "NONE",
    numPartitions: verdict.numPartitions,
    replicationFactor: verdict.replicationFactor,
    configs: describeTopic(own).map((config) => configEntry(config, { synonyms: false, documentation: false })),
  };
}

function failure({ name }: TopicRequest, errorCode: KafkaError, errorMessage: string | null): TopicResponse {
  return {
    name,
    topicId: zeroTopicId,
    errorCode,
    errorMessage,
    topicConfigErrorCode: "NONE",
    numPartitions: -1,
    replicationFactor: -1,
    configs: [],
  };
}
