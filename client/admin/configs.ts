import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { AlterConfigsRequest, AlterConfigsResponse } from "../../protocol/messages/alter-configs.ts";
import type { DescribeConfigsResponse } from "../../protocol/messages/describe-configs.ts";
import type { IncrementalAlterConfigsRequest } from "../../protocol/messages/incremental-alter-configs.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import type {
  ConfigEntry,
  ConfigResource,
  ConfigSource,
  ItemResult,
  ResourceChange,
  ResourceConfigs,
  ResourceReplacement,
} from "./admin-types.ts";

const resourceTypes = { topic: 2, broker: 4 } as const;
const operations = { set: 0, delete: 1, append: 2, subtract: 3 } as const;
const sources: Readonly<Record<number, ConfigSource>> = {
  1: "topic",
  2: "dynamic-broker",
  3: "dynamic-default",
  4: "static-broker",
  5: "default",
};

export interface WireResource {
  readonly resourceType: number;
  readonly resourceName: string;
}

export function wireResource(resource: ConfigResource): WireResource {
  return "topic" in resource
    ? { resourceType: resourceTypes.topic, resourceName: resource.topic }
    : { resourceType: resourceTypes.broker, resourceName: resource.broker === null ? "" : String(resource.broker) };
}

export function resourceText(resource: ConfigResource): string {
  if ("topic" in resource) return `topic ${resource.topic}`;
  return resource.broker === null ? "all brokers" : `broker ${resource.broker}`;
}

export function wireChanges(changes: readonly ResourceChange[]): IncrementalAlterConfigsRequest["resources"] {
  return changes.map(({ resource, changes: ofResource }) => ({
    ...wireResource(resource),
    configs: ofResource.map((change) => ({
      name: change.name,
      configOperation: operations[change.operation],
      value: change.operation === "delete" ? null : change.value,
    })),
  }));
}

export function wireReplacement({ resource, configs }: ResourceReplacement): AlterConfigsRequest["resources"][number] {
  return { ...wireResource(resource), configs: Object.entries(configs).map(([name, value]) => ({ name, value })) };
}

/** Both ways to alter have the same answers. */
export function alteredConfigs(
  resource: ConfigResource,
  { responses }: AlterConfigsResponse,
): ItemResult<{ readonly resource: ConfigResource }> {
  return { error: answerFor(responses, resource, "altering configs").error, resource };
}

interface ResourceAnswer extends WireResource {
  readonly errorCode: KafkaErrorCode;
  readonly errorMessage: string | null;
}

/** The answer for a resource, or the error that it carries. One that is missing is an error too. */
function answerFor<A extends ResourceAnswer>(
  answers: readonly A[],
  resource: ConfigResource,
  doing: string,
): { readonly error: null; readonly answer: A } | { readonly error: KafkaProtocolError } {
  const { resourceType, resourceName } = wireResource(resource);
  const answer = answers.find((each) => each.resourceType === resourceType && each.resourceName === resourceName);
  const about = `${doing} of ${resourceText(resource)}`;
  if (answer === undefined) return { error: new KafkaProtocolError("UNKNOWN_SERVER_ERROR", about, "the answer leaves it out") };
  if (answer.errorCode !== "NONE") return { error: new KafkaProtocolError(answer.errorCode, about, answer.errorMessage) };
  return { error: null, answer };
}

export function describedConfigs(resource: ConfigResource, { results }: DescribeConfigsResponse): ItemResult<ResourceConfigs> {
  const found = answerFor(results, resource, "configs");
  if (found.error !== null) return { resource, error: found.error };
  return { error: null, resource, configs: found.answer.configs.map(entryOf) };
}

function entryOf(config: DescribeConfigsResponse["results"][number]["configs"][number]): ConfigEntry {
  const { name, value, readOnly, isDefault, configSource, isSensitive, synonyms } = config;
  const source = sources[configSource] ?? (isDefault ? "default" : "unknown");
  const where = synonyms.map((one) => ({ name: one.name, value: one.value, source: sources[one.source] ?? "unknown" }));
  return { name, value, source, isReadOnly: readOnly, isSensitive, synonyms: where };
}
