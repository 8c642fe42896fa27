import type { MessageSpec } from "../../protocol/schema/message.ts";

export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

/** By API key, the versions that a broker serves. */
export type ServedVersions = ReadonlyMap<number, VersionRange>;

/** The highest version that both sides support and `versionMax` allows, or null. */
export function commonVersion(message: MessageSpec, served: ServedVersions, versionMax = Number.POSITIVE_INFINITY): number | null {
  const range = served.get(message.apiKey);
  if (range === undefined) return null;
  const version = Math.min(message.versions[1], range.max, versionMax);
  return version >= Math.max(message.versions[0], range.min) ? version : null;
}
