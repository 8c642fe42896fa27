import { type FinalizedFeatures, nothingFinalized, type SupportedFeatures } from "../../protocol/base/features.ts";
import {
  type ApiVersionsRequest,
  type ApiVersionsResponse,
  apiVersionsRequest,
  apiVersionsResponse,
} from "../../protocol/messages/api-versions.ts";
import type { Api, Endpoint } from "./api.ts";

/** What a response says of an API. */
export type ClaimedVersions = ApiVersionsResponse["apiKeys"][number];

export interface AnnouncedFeatures {
  /** By this broker. */
  readonly supported: SupportedFeatures;
  /** As far as this broker knows. */
  finalized(): FinalizedFeatures;
}

type Features = Pick<ApiVersionsResponse, "supportedFeatures" | "finalizedFeatures" | "finalizedFeaturesEpoch">;

const noFeatures: Features = { supportedFeatures: [], finalizedFeaturesEpoch: -1, finalizedFeatures: [] };
/** Readers of earlier versions take a level of 0 for damage. */
const readsLevelZeroVersion = 4;

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
 * Features (tagged, since 3) are those that this broker supports and those in force in the cluster, as far as it supports them: a client
 * acts by what it is told last. In 3 a feature that can be at level 0 is given from 1 on, for clients that cannot read 0 (KAFKA-17011). The
 * dispatcher answers requests in an unknown version.
 */
export function apiVersionsApi(
  served: () => readonly Pick<Endpoint, "apiKey" | "versions">[],
  features: AnnouncedFeatures = { supported: new Map(), finalized: () => nothingFinalized },
): Api<ApiVersionsRequest, ApiVersionsResponse> {
  return {
    request: apiVersionsRequest,
    response: apiVersionsResponse,
    async handle(request, { apiVersion }) {
      if (apiVersion >= 3 && !(isSoftwareName(request.clientSoftwareName) && isSoftwareName(request.clientSoftwareVersion)))
        return answer("INVALID_REQUEST", [], noFeatures);
      return answer("NONE", served(), featuresFor(features, apiVersion));
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
  features: Features,
): ApiVersionsResponse {
  return {
    errorCode,
    apiKeys: claimedVersions(served),
    throttleTimeMs: 0,
    ...features,
    zkMigrationReady: false,
  };
}

/** A broker that supports none says nothing of the cluster's either. */
function featuresFor({ supported, finalized }: AnnouncedFeatures, apiVersion: number): Features {
  if (supported.size === 0) return noFeatures;
  const { epoch, levels } = finalized();
  return {
    supportedFeatures: [...supported].map(([name, { min, max }]) => ({
      name,
      minVersion: apiVersion < readsLevelZeroVersion ? Math.max(1, min) : min,
      maxVersion: max,
    })),
    finalizedFeaturesEpoch: epoch,
    finalizedFeatures: [...levels]
      .filter(([name, level]) => level > 0 && level <= (supported.get(name)?.max ?? 0))
      .map(([name, level]) => ({ name, maxVersionLevel: level, minVersionLevel: level })),
  };
}
