import type { BrokerId } from "../../protocol/base/ids.ts";
import { encodeJson, JsonNode } from "./json.ts";

/**
 * What `/admin/ottla_deletions/<topic id>` says (ours, not Kafka's): the topic was deleted, and these brokers may still hold replicas of
 * it.
 */
export interface TopicDeletion {
  readonly name: string;
  readonly brokers: readonly BrokerId[];
  /** When it was deleted, milliseconds since 1970. */
  readonly timestampMs: number;
}

export function encodeTopicDeletion({ name, brokers, timestampMs }: TopicDeletion): Buffer {
  return encodeJson({ version: 1, name, brokers, timestamp: timestampMs });
}

/** Throws MalformedZnode. */
export function decodeTopicDeletion(path: string, data: Buffer): TopicDeletion {
  const json = JsonNode.parse(path, data);
  return { name: json.text("name"), brokers: json.integers("brokers", { min: 0 }), timestampMs: json.integer("timestamp", { min: 0 }) };
}
