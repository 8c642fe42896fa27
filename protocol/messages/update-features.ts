import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int8, int16, int32, nullableErrorMessage, string } from "../schema/primitives.ts";

const api = { apiKey: 57, versions: [0, 2], flexibleSince: 0 } as const;

export const updateFeaturesRequest = message(
  { ...api, name: "UpdateFeaturesRequest" },
  {
    timeoutMs: int32(),
    featureUpdates: array(
      struct({
        feature: string(),
        /** Below 1: the feature is no longer in force. */
        maxVersionLevel: int16(),
        allowDowngrade: bool({ until: 0, absent: false }),
        /** 1: upgrade; 2: downgrade without loss; 3: downgrade whatever it loses. */
        upgradeType: int8({ since: 1, absent: 1 }),
      }),
    ),
    validateOnly: bool({ since: 1, absent: false }),
  },
);
export type UpdateFeaturesRequest = MessageType<typeof updateFeaturesRequest>;

export const updateFeaturesResponse = message(
  { ...api, name: "UpdateFeaturesResponse" },
  {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    errorMessage: nullableErrorMessage(),
    results: array(struct({ feature: string(), errorCode: errorCode(), errorMessage: nullableErrorMessage() }), { until: 1, absent: [] }),
  },
);
export type UpdateFeaturesResponse = MessageType<typeof updateFeaturesResponse>;
