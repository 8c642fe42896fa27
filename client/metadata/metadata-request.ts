import { type TopicId, zeroTopicId } from "../../protocol/base/ids.ts";
import type { MetadataRequest } from "../../protocol/messages/metadata.ts";

export interface MetadataWishes {
  /** Brokers may create named topics that do not exist. Default false. */
  readonly mayCreateTopics?: boolean;
  /** Includes why each offline replica is offline, and why a topic cannot be created. Default false. */
  readonly withReasons?: boolean;
}

/** `names`: null for all topics, which version 0 of the request expresses by naming none. */
export function metadataRequest(names: Iterable<string> | null, version: number, wishes: MetadataWishes = {}): MetadataRequest {
  return {
    topics: names === null ? (version === 0 ? [] : null) : [...names].map(named),
    allowAutoTopicCreation: wishes.mayCreateTopics ?? false,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
    includeReasons: wishes.withReasons ?? false,
  };
}

function named(name: string): { readonly topicId: TopicId; readonly name: string } {
  return { topicId: zeroTopicId, name };
}
