import { MalformedFrame, Reader } from "../../../protocol/wire/reader.ts";

/**
 * The topics that a consumer's protocol metadata names (ConsumerProtocolSubscription: an int16 version, an array of topic names, then what
 * we need not know).
 * Null: the bytes are something else, so nobody can tell what the member consumes.
 */
export function subscribedTopics(metadata: Buffer): readonly string[] | null {
  try {
    const reader = new Reader(metadata);
    if (reader.int16() < 0) return null;
    const count = reader.int32();
    if (count < 0 || count > reader.remaining) return null;
    const topics: string[] = [];
    for (let i = 0; i < count; i++) topics.push(reader.string(reader.int16()));
    return topics;
  } catch (error) {
    if (error instanceof MalformedFrame) return null;
    throw error;
  }
}
