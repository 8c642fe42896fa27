import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { AlterConfigsResponse } from "../../protocol/messages/alter-configs.ts";
import type { ConfigChange, ControllerService } from "../controller/controller-service.ts";
import { resourceType, unsupportedResource } from "./config-entries.ts";
import { answerInPlace, repeated } from "./item-answers.ts";
import type { RequestMeter } from "./request-meter.ts";

/** A resource as AlterConfigs and IncrementalAlterConfigs name it. */
interface NamedResource {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly configs: readonly { readonly name: string }[];
}

interface Alteration<R extends NamedResource> {
  readonly resources: readonly R[];
  readonly validateOnly: boolean;
}

export type ConfigOperation = ConfigChange["operations"][number];

/** What to do with the settings of a resource, or a message about what is wrong with the request. */
export type OperationsOf<R> = (resource: R) => readonly ConfigOperation[] | string;

type ResourceResponse = AlterConfigsResponse["responses"][number];

/** The requests have no timeout of their own: a change that has not reached the brokers after this time is answered all the same. */
const alterTimeoutMs = 10_000;

/**
 * Both ways to change settings, resource by resource: invalid resources are refused in their place, the rest is passed to the controller.
 */
export async function alterResources<R extends NamedResource>(
  { resources, validateOnly }: Alteration<R>,
  { controller, meter }: { readonly controller: Pick<ControllerService, "alterConfigs">; readonly meter: RequestMeter },
  operationsOf: OperationsOf<R>,
  replaceAll: boolean,
): Promise<readonly ResourceResponse[]> {
  const twice = repeated(resources.map(resourceKey));
  const changes = new Map<R, ConfigChange | string>();
  const refuse = (resource: R) => {
    if (twice.has(resourceKey(resource))) return resourceResponse(resource, "INVALID_REQUEST", "The resource is named more than once.");
    const change = configChange(resource, operationsOf, replaceAll);
    changes.set(resource, change);
    return typeof change === "string" ? resourceResponse(resource, "INVALID_REQUEST", change) : null;
  };
  const alter = async (accepted: readonly R[]) => {
    const sound = accepted.map((resource) => changes.get(resource)).filter((change) => typeof change === "object");
    const verdicts = await controller.alterConfigs(sound, { timeoutMs: alterTimeoutMs, validateOnly });
    return verdicts.map(({ error, message }, i) => resourceResponse(accepted[i]!, error, message));
  };
  return answerInPlace(resources, meter, refuse, alter);
}

export function resourceResponse(
  { resourceType: type, resourceName }: Pick<NamedResource, "resourceType" | "resourceName">,
  errorCode: KafkaErrorCode,
  errorMessage: string | null,
): ResourceResponse {
  return { errorCode, errorMessage, resourceType: type, resourceName };
}

function resourceKey({ resourceType: type, resourceName }: NamedResource): string {
  return `${type} ${resourceName}`;
}

function configChange<R extends NamedResource>(resource: R, operationsOf: OperationsOf<R>, replaceAll: boolean): ConfigChange | string {
  const changed = changedResource(resource.resourceType, resource.resourceName);
  if (typeof changed === "string") return changed;
  const [again] = repeated(resource.configs.map(({ name }) => name));
  if (again !== undefined) return `The setting ${again} is named more than once.`;
  const operations = operationsOf(resource);
  return typeof operations === "string" ? operations : { resource: changed, operations, replaceAll };
}

function changedResource(type: number, name: string): ConfigChange["resource"] | string {
  if (type === resourceType.topic) return { kind: "topic", name };
  if (type !== resourceType.broker) return unsupportedResource(type);
  if (name === "") return { kind: "broker", id: null };
  return /^\d{1,9}$/.test(name) ? { kind: "broker", id: Number(name) } : `A broker's id is a number, not "${name}".`;
}
