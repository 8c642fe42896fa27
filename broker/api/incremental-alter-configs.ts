import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type IncrementalAlterConfigsRequest,
  type IncrementalAlterConfigsResponse,
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from "../../protocol/messages/incremental-alter-configs.ts";
import type { ConfigChange, ControllerService } from "../controller/contract.ts";
import type { ControllerApi } from "./api.ts";
import { resourceType } from "./config-entries.ts";
import { answerInPlace, repeated } from "./item-answers.ts";

type ResourceRequest = IncrementalAlterConfigsRequest["resources"][number];
type ResourceResponse = IncrementalAlterConfigsResponse["responses"][number];
type Operation = ConfigChange["operations"][number]["operation"];

/**
 * Behavior: changes the named settings of topics and brokers (an empty broker name: all brokers) and leaves the others; a resource's changes are applied all or none.
 * A resource named twice, a setting named twice within one, a value missing where the operation needs one: INVALID_REQUEST.
 * Version notes: 0 and 1 differ in their encoding only.
 */
export function incrementalAlterConfigsApi(
  controller: Pick<ControllerService, "alterConfigs">,
): ControllerApi<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse> {
  return {
    request: incrementalAlterConfigsRequest,
    response: incrementalAlterConfigsResponse,
    controllerOnly: true,
    async handle({ resources, validateOnly }) {
      const twice = repeated(resources.map(resourceKey));
      const changes = new Map(resources.map((resource) => [resource, configChange(resource)]));
      const refuse = (resource: ResourceRequest) => {
        if (twice.has(resourceKey(resource))) return response(resource, "INVALID_REQUEST", "The resource is named more than once.");
        const change = changes.get(resource);
        return typeof change === "string" ? response(resource, "INVALID_REQUEST", change) : null;
      };
      const alter = async (accepted: readonly ResourceRequest[]) => {
        const sound = accepted.map((resource) => changes.get(resource)).filter((change) => typeof change === "object");
        const verdicts = await controller.alterConfigs(sound, { timeoutMs: alterTimeoutMs, validateOnly });
        return verdicts.map(({ error, message }, i) => response(accepted[i]!, error, message));
      };
      return { throttleTimeMs: 0, responses: await answerInPlace(resources, refuse, alter) };
    },
    failed: ({ resources }, error, message) => ({
      throttleTimeMs: 0,
      responses: resources.map((resource) => response(resource, error, message)),
    }),
  };
}

/** The request has no timeout of its own: how long the change may take to reach the brokers before it is answered all the same. */
const alterTimeoutMs = 10_000;

const operations = ["set", "delete", "append", "subtract"] as const satisfies readonly Operation[];

function resourceKey({ resourceType: type, resourceName }: ResourceRequest): string {
  return `${type} ${resourceName}`;
}

/** What is to be changed, or what is wrong with the request. */
export function configChange({ resourceType: type, resourceName, configs }: ResourceRequest): ConfigChange | string {
  const resource = changedResource(type, resourceName);
  if (typeof resource === "string") return resource;
  const [again] = repeated(configs.map(({ name }) => name));
  if (again !== undefined) return `The setting ${again} is named more than once.`;
  const changed: ConfigChange["operations"][number][] = [];
  for (const { name, configOperation, value } of configs) {
    const operation = operations[configOperation];
    if (operation === undefined) return `There is no operation ${configOperation} (setting ${name}).`;
    if (operation !== "delete" && value === null) return `The setting ${name} needs a value.`;
    changed.push({ name, operation, value });
  }
  return { resource, operations: changed, replaceAll: false };
}

function changedResource(type: number, name: string): ConfigChange["resource"] | string {
  if (type === resourceType.topic) return { kind: "topic", name };
  if (type !== resourceType.broker) return `Settings of resource type ${type} cannot be changed.`;
  if (name === "") return { kind: "broker", id: null };
  return /^\d{1,9}$/.test(name) ? { kind: "broker", id: Number(name) } : `A broker's id is a number, not "${name}".`;
}

function response(
  { resourceType: type, resourceName }: ResourceRequest,
  errorCode: KafkaErrorCode,
  errorMessage: string | null,
): ResourceResponse {
  return { errorCode, errorMessage, resourceType: type, resourceName };
}
