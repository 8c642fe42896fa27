import { featureLevelMax, featureNameMax, featuresMax } from "../../protocol/base/features.ts";
import { encodeJson, JsonNode } from "./json.ts";

/** What `/feature` says, in Kafka's form (KIP-584). */
export interface StoredFeatures {
  /** False: what is listed is not in force. */
  readonly isEnabled: boolean;
  /** By feature, the level that the cluster acts by. */
  readonly levels: ReadonlyMap<string, number>;
}

/** Version 1 has a lowest level beside the level in force, which says nothing more. */
const versionWithMin = 1;
const version = 2;
const enabled = 1;

export function encodeFeatures(levels: ReadonlyMap<string, number>): Buffer {
  return encodeJson({ version, status: enabled, features: Object.fromEntries([...levels].map(([name, level]) => [name, leveled(level)])) });
}

/** Throws MalformedZnode, also for a version that we do not know. */
export function decodeFeatures(path: string, data: Buffer): StoredFeatures {
  const json = JsonNode.parse(path, data);
  json.integer("version", { min: versionWithMin, max: version });
  const status = json.integer("status", { min: 0, max: enabled });
  const features = json.object("features");
  const names = features.names();
  if (names.length > featuresMax) throw json.malformed(`it lists ${names.length} features, at most ${featuresMax} are read`);
  const levels = new Map<string, number>();
  for (const name of names) {
    if (name === "" || name.length > featureNameMax) throw json.malformed(`a feature's name has ${name.length} characters`);
    levels.set(name, features.object(name).integer("max_version_level", { min: 1, max: featureLevelMax }));
  }
  return { isEnabled: status === enabled, levels };
}

/**
 * The same node with these levels in force, 0: without the feature. Whatever else it says, of other features too, stays as it is. Throws
 * MalformedZnode.
 */
export function withFeatureLevels(path: string, data: Buffer, changed: ReadonlyMap<string, number>): Buffer {
  decodeFeatures(path, data);
  const node = JSON.parse(data.toString("utf8")) as { readonly version: number; readonly features: Readonly<Record<string, unknown>> };
  const features = new Map(Object.entries(node.features));
  for (const [name, level] of changed) {
    if (level === 0) features.delete(name);
    else features.set(name, node.version === versionWithMin ? { ...leveled(level), min_version_level: 1 } : leveled(level));
  }
  return encodeJson({ ...node, status: enabled, features: Object.fromEntries(features) });
}

function leveled(level: number) {
  return { max_version_level: level };
}
