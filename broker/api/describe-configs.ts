import type { BrokerId } from "../../protocol/base/ids.ts";
import type { KafkaError, Outcome } from "../../protocol/errors/kafka-errors.ts";
import {
  type DescribeConfigsRequest,
  type DescribeConfigsResponse,
  describeConfigsRequest,
  describeConfigsResponse,
} from "../../protocol/messages/describe-configs.ts";
import type { ClusterImage, ImageSource } from "../cluster/cluster-image.ts";
import { settingLayers } from "../cluster/resolve-settings.ts";
import {
  type DescribedConfig,
  describeBrokerConfigs,
  describeDefaultBrokerConfigs,
  describeTopicConfigs,
} from "../runtime/config/describe.ts";
import type { SettingTexts } from "../runtime/config/resolve.ts";
import { distinct } from "../runtime/each-once.ts";
import { topicNameFault } from "../runtime/topic-names.ts";
import type { Api } from "./api.ts";
import { configEntry, resourceType, unsupportedResource } from "./config-entries.ts";
import { answerEach } from "./request-meter.ts";

type ResourceRequest = DescribeConfigsRequest["resources"][number];
type Result = DescribeConfigsResponse["results"][number];

export interface OwnConfig {
  readonly brokerId: BrokerId;
  /** What the broker was started with. */
  readonly startTexts: SettingTexts;
}

/**
 * Behavior: the settings of topics, of this broker, and (an empty broker name) the dynamic ones of all brokers; all of them or the named
 * ones. Another broker's must be requested from that broker: here they are INVALID_REQUEST.
 * Version notes: 0 says only whether a value is the default; since 1 its source and, on request, its synonyms; since 3 its type and, on
 * request, documentation.
 */
export function describeConfigsApi(
  images: Pick<ImageSource, "current">,
  own: OwnConfig,
): Api<DescribeConfigsRequest, DescribeConfigsResponse> {
  return {
    request: describeConfigsRequest,
    response: describeConfigsResponse,
    async handle({ resources, includeSynonyms, includeDocumentation }, { meter }) {
      const asked = { synonyms: includeSynonyms, documentation: includeDocumentation };
      const results = await answerEach(distinct(resources, resourceKey), meter, (resource): Result => {
        const { resourceType: type, resourceName } = resource;
        const found = describeResource(resource, images.current, own);
        if (found.error !== null)
          return { errorCode: found.error, errorMessage: found.message ?? null, resourceType: type, resourceName, configs: [] };
        const configs = found.configs.map((config) => configEntry(config, asked));
        return { errorCode: "NONE", errorMessage: null, resourceType: type, resourceName, configs };
      });
      return { throttleTimeMs: 0, results };
    },
  };
}

function describeResource(
  { resourceType: type, resourceName, configurationKeys }: ResourceRequest,
  image: ClusterImage,
  own: OwnConfig,
): Outcome<{ readonly configs: readonly DescribedConfig[] }> {
  const layers = settingLayers(own.brokerId, own.startTexts, image.brokerConfigs);
  const names = configurationKeys === null || configurationKeys.length === 0 ? null : configurationKeys; // none named: all, as in Kafka
  if (type === resourceType.topic) {
    const topic = image.topics.get(resourceName);
    if (topic !== undefined) return { error: null, configs: describeTopicConfigs(topic.config, layers, names) };
    const fault = topicNameFault(resourceName);
    return fault === null ? refuse("UNKNOWN_TOPIC_OR_PARTITION", "There is no such topic.") : refuse("INVALID_TOPIC_EXCEPTION", fault);
  }
  if (type !== resourceType.broker) return refuse("INVALID_REQUEST", unsupportedResource(type));
  if (resourceName === "") return { error: null, configs: describeDefaultBrokerConfigs(layers.dynamicDefault, names) };
  if (resourceName === String(own.brokerId)) return { error: null, configs: describeBrokerConfigs(layers, names) };
  return refuse(
    "INVALID_REQUEST",
    `This is broker ${own.brokerId}; it can tell its own settings and the default of all brokers, not those of "${resourceName}".`,
  );
}

/** With its settings: a resource that is named again may name other settings. */
function resourceKey({ resourceType: type, resourceName, configurationKeys }: ResourceRequest): string {
  return JSON.stringify([type, resourceName, configurationKeys]);
}

function refuse(error: KafkaError, message: string) {
  return { error, message };
}
