import { array, struct } from "../schema/composites.ts";
import { type MessageType, message } from "../schema/message.ts";
import { bool, errorCode, int16, int32, int64, string } from "../schema/primitives.ts";

const api = { apiKey: 18, versions: [0, 4], flexibleSince: 3 } as const;

export const apiVersionsRequest = message(
  { ...api, name: "ApiVersionsRequest" },
  {
    /** Letters, digits, dots and hyphens only; anything else is answered with INVALID_REQUEST (KIP-511). */
    clientSoftwareName: string({ since: 3, absent: "" }),
    clientSoftwareVersion: string({ since: 3, absent: "" }),
  },
);
export type ApiVersionsRequest = MessageType<typeof apiVersionsRequest>;

export const apiVersionsResponse = message(
  { ...api, name: "ApiVersionsResponse" },
  {
    errorCode: errorCode(),
    apiKeys: array(struct({ apiKey: int16(), minVersion: int16(), maxVersion: int16() })),
    throttleTimeMs: int32({ since: 1, absent: 0 }),
    supportedFeatures: array(struct({ name: string(), minVersion: int16(), maxVersion: int16() }), { since: 3, tag: 0, absent: [] }),
    /** -1: not known. The finalized features below count only from 0 on. */
    finalizedFeaturesEpoch: int64({ since: 3, tag: 1, absent: -1 }),
    finalizedFeatures: array(struct({ name: string(), maxVersionLevel: int16(), minVersionLevel: int16() }), {
      since: 3,
      tag: 2,
      absent: [],
    }),
    /** Only a KRaft controller ever sets it. */
    zkMigrationReady: bool({ since: 3, tag: 3, absent: false }),
  },
);
export type ApiVersionsResponse = MessageType<typeof apiVersionsResponse>;
