import type { ApiVersionsResponse } from "../../protocol/messages/api-versions.ts";
import type { MessageSpec } from "../../protocol/schema/message.ts";

export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

/** By API key, the versions that a broker serves. */
export type ServedVersions = ReadonlyMap<number, VersionRange>;

export function servedVersions({ apiKeys }: ApiVersionsResponse): ServedVersions {
  return new Map(apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, { min: minVersion, max: maxVersion }]));
}

/** The features that the whole cluster acts by, with their levels. */
export function finalizedLevels({ finalizedFeaturesEpoch, finalizedFeatures }: ApiVersionsResponse): ReadonlyMap<string, number> {
  if (finalizedFeaturesEpoch < 0) return new Map();
  return new Map(finalizedFeatures.map(({ name, maxVersionLevel }) => [name, maxVersionLevel]));
}

/** The highest version that both sides support and `versionMax` allows, or null. */
export function commonVersion(message: MessageSpec, served: ServedVersions, versionMax = Number.POSITIVE_INFINITY): number | null {
  const range = served.get(message.apiKey);
  if (range === undefined) return null;
  const version = Math.min(message.versions[1], range.max, versionMax);
  return version >= Math.max(message.versions[0], range.min) ? version : null;
}
