import {
  type ApiVersionsRequest,
  type ApiVersionsResponse,
  apiVersionsRequest,
  apiVersionsResponse,
} from "../../protocol/messages/api-versions.ts";
import type { Api, Endpoint } from "./api.ts";

/** What a response says of an API. */
export type ClaimedVersions = ApiVersionsResponse["apiKeys"][number];

const produceKey = 0;

/**
 * The versions served, with one exception: Produce is claimed from 0 on. librdkafka assumes that a broker that does not claim Produce 0
 * knows no gzip, snappy or lz4, and sends uncompressed (KAFKA-18659). Clients choose the highest version that both sides support, so none
 * of them uses 0 to 2; a client that does is refused as with any version that is not served.
 */
export function claimedVersions(served: Iterable<Pick<Endpoint, "apiKey" | "versions">>): ClaimedVersions[] {
  return [...served]
    .map(({ apiKey, versions: [minVersion, maxVersion] }) => ({ apiKey, minVersion: apiKey === produceKey ? 0 : minVersion, maxVersion }))
    .sort((a, b) => a.apiKey - b.apiKey);
}

/**
 * Behavior: lists the APIs that this broker has endpoints for, each with the versions served, and nothing else (but see `claimedVersions`).
 * Version notes: 0-2 carry nothing in the request. From 3 on the client names its software (KIP-511); a malformed name is INVALID_REQUEST.
 * Features (tagged, 3 on) stay empty: none is finalized. The dispatcher answers requests in an unknown version.
 */
export function apiVersionsApi(
  served: () => readonly Pick<Endpoint, "apiKey" | "versions">[],
): Api<ApiVersionsRequest, ApiVersionsResponse> {
  return {
    request: apiVersionsRequest,
    response: apiVersionsResponse,
    async handle(request, { apiVersion }) {
      if (apiVersion >= 3 && !(isSoftwareName(request.clientSoftwareName) && isSoftwareName(request.clientSoftwareVersion)))
        return answer("INVALID_REQUEST", []);
      return answer("NONE", served());
    },
  };
}

/** KIP-511: letters, digits, and between them dots and hyphens. */
export function isSoftwareName(text: string): boolean {
  return /^[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?$/.test(text);
}

function answer(
  errorCode: ApiVersionsResponse["errorCode"],
  served: readonly Pick<Endpoint, "apiKey" | "versions">[],
): ApiVersionsResponse {
  return {
    errorCode,
    apiKeys: claimedVersions(served),
    throttleTimeMs: 0,
    supportedFeatures: [],
    finalizedFeaturesEpoch: -1,
    finalizedFeatures: [],
    zkMigrationReady: false,
  };
}
