import {
  type AlterConfigsRequest,
  type AlterConfigsResponse,
  alterConfigsRequest,
  alterConfigsResponse,
} from "../../protocol/messages/alter-configs.ts";
import type { ControllerService } from "../controller/controller-service.ts";
import { alterResources, type OperationsOf, resourceResponse } from "./alter-resources.ts";
import type { ControllerApi } from "./api.ts";

/**
 * Behavior: gives topics and brokers (an empty broker name: all brokers) these settings and no others: a dynamic setting that is not named
 * returns to its default. All or none of a resource's changes are applied. A resource named twice, a setting named twice within one, a
 * setting without a value: INVALID_REQUEST.
 * Version notes: 0 to 2 differ in their encoding only.
 */
export function alterConfigsApi(
  controller: Pick<ControllerService, "alterConfigs">,
): ControllerApi<AlterConfigsRequest, AlterConfigsResponse> {
  return {
    request: alterConfigsRequest,
    response: alterConfigsResponse,
    controllerOnly: true,
    handle: async (request, { meter }) => ({
      throttleTimeMs: 0,
      responses: await alterResources(request, { controller, meter }, settingsOf, true),
    }),
    failed: ({ resources }, error, message) => ({
      throttleTimeMs: 0,
      responses: resources.map((resource) => resourceResponse(resource, error, message)),
    }),
  };
}

const settingsOf: OperationsOf<AlterConfigsRequest["resources"][number]> = ({ configs }) => {
  const without = configs.find(({ value }) => value === null);
  if (without !== undefined) return `The setting ${without.name} needs a value: to reset it, leave it out.`;
  return configs.map(({ name, value }) => ({ name, operation: "set", value }));
};
