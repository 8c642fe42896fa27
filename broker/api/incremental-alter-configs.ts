import {
  type IncrementalAlterConfigsRequest,
  type IncrementalAlterConfigsResponse,
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from "../../protocol/messages/incremental-alter-configs.ts";
import type { ControllerService } from "../controller/controller-service.ts";
import { alterResources, type ConfigOperation, type OperationsOf, resourceResponse } from "./alter-resources.ts";
import type { ControllerApi } from "./api.ts";

/**
 * Behavior: changes the named settings of topics and brokers (an empty broker name: all brokers) and leaves the others; a resource's
 * changes are applied all or none.
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
    handle: async (request, { meter }) => ({
      throttleTimeMs: 0,
      responses: await alterResources(request, { controller, meter }, operationsOf, false),
    }),
    failed: ({ resources }, error, message) => ({
      throttleTimeMs: 0,
      responses: resources.map((resource) => resourceResponse(resource, error, message)),
    }),
  };
}

const operations = ["set", "delete", "append", "subtract"] as const satisfies readonly ConfigOperation["operation"][];

const operationsOf: OperationsOf<IncrementalAlterConfigsRequest["resources"][number]> = ({ configs }) => {
  const changed: ConfigOperation[] = [];
  for (const { name, configOperation, value } of configs) {
    const operation = operations[configOperation];
    if (operation === undefined) return `There is no operation ${configOperation} (setting ${name}).`;
    if (operation !== "delete" && value === null) return `The setting ${name} needs a value.`;
    changed.push({ name, operation, value });
  }
  return changed;
};
