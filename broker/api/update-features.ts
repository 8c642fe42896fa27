import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type UpdateFeaturesRequest,
  type UpdateFeaturesResponse,
  updateFeaturesRequest,
  updateFeaturesResponse,
} from "../../protocol/messages/update-features.ts";
import type { ControllerService, FeatureUpdate } from "../controller/controller-service.ts";
import { boundedWaitMs, type ControllerApi } from "./api.ts";
import { repeated } from "./item-answers.ts";

type Wanted = UpdateFeaturesRequest["featureUpdates"][number];

/**
 * Behavior: changes what the cluster as a whole acts by (KIP-584), all of the request or nothing; answered when every broker knows. A level
 * that some registered broker cannot act by, and a lower one that is not asked for as a downgrade, are INVALID_UPDATE_VERSION. What another
 * tool has written in a form that we do not know is not written over: FEATURE_UPDATE_FAILED. A level below 1: to be without the feature. A
 * level that is in force already is no error.
 * Version notes: 0 says only whether a downgrade is allowed; its kind, and a request that only asks whether it could be done, since 1
 * (KIP-778); 0 and 1 have an answer for each feature.
 */
export function updateFeaturesApi(
  controller: Pick<ControllerService, "updateFeatures">,
): ControllerApi<UpdateFeaturesRequest, UpdateFeaturesResponse> {
  return {
    request: updateFeaturesRequest,
    response: updateFeaturesResponse,
    controllerOnly: true,
    async handle({ featureUpdates, timeoutMs, validateOnly }, { apiVersion }) {
      const updates: FeatureUpdate[] = [];
      if (repeated(featureUpdates.map(({ feature }) => feature)).size > 0) return answer("INVALID_REQUEST", "A feature is named twice.");
      for (const update of featureUpdates) {
        if (update.feature === "") return answer("INVALID_REQUEST", "A feature's name is empty.");
        const kind = apiVersion === 0 ? (update.allowDowngrade ? "safe-downgrade" : "upgrade") : kinds[update.upgradeType - 1];
        if (kind === undefined) return answer("INVALID_UPDATE_VERSION", `There is no type of upgrade ${update.upgradeType}.`);
        updates.push({ feature: update.feature, level: Math.max(0, update.maxVersionLevel), kind });
      }
      const { error, message } = await controller.updateFeatures(updates, { timeoutMs: boundedWaitMs(timeoutMs), validateOnly });
      return answer(error, message, error === "NONE" && apiVersion <= perFeatureVersionMax ? featureUpdates : []);
    },
    failed: (_request, error, message) => answer(error, message),
  };
}

const kinds = ["upgrade", "safe-downgrade", "unsafe-downgrade"] as const satisfies readonly FeatureUpdate["kind"][];
const perFeatureVersionMax = 1;

function answer(errorCode: KafkaErrorCode, errorMessage: string | null, updated: readonly Wanted[] = []): UpdateFeaturesResponse {
  const results = updated.map(({ feature }) => ({ feature, errorCode: "NONE", errorMessage: null }) as const);
  return { throttleTimeMs: 0, errorCode, errorMessage, results };
}
