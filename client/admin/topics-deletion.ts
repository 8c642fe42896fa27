import { type TopicId, zeroTopicId } from "../../protocol/base/ids.ts";
import { apis, type MessagePair } from "../../protocol/messages/apis.ts";
import type { MetadataResponse } from "../../protocol/messages/metadata.ts";
import { emptySnapshot, mergeMetadata } from "../metadata/cluster-snapshot.ts";
import type { ItemAnswer } from "./item-answer.ts";

export interface TopicsDeletionParts {
  readonly metadata: (names: readonly string[]) => Promise<MetadataResponse>;
  readonly ask: <Req, Res>(api: MessagePair<Req, Res>, build: (version: number) => Req) => Promise<Res>;
  readonly brokerTimeoutMs: number;
}

/**
 * Deletes the topics that have these names now, and none that gets such a name later. So a topic is named by its id. Otherwise: (1) the
 * request waits at a broker that nobody can reach; (2) the client sends it again, through another one, and the topic is deleted; (3) it is
 * created anew; (4) the first request gets through.
 *
 * An id that is unknown may come from a broker that is behind: it has not heard that the topic was deleted and created anew. So it is
 * looked up again.
 *
 * By name where brokers do not know of ids (before Kafka 2.8), or the one that was asked does not know the topic: the controller may.
 */
export class TopicsDeletion {
  readonly #parts: TopicsDeletionParts;
  readonly #ids = new Map<string, TopicId>();
  /** Those that were asked for without an answer. */
  readonly #unanswered = new Set<string>();

  constructor(parts: TopicsDeletionParts) {
    this.#parts = parts;
  }

  /** One attempt. */
  async attempt(names: readonly string[]): Promise<readonly ItemAnswer<{ readonly name: string }>[]> {
    await this.#lookUp(names.filter((name) => !this.#ids.has(name)));
    const { ask, brokerTimeoutMs: timeoutMs } = this.#parts;
    const topics = names.map((name) => {
      const topicId = this.#ids.get(name) ?? zeroTopicId;
      return topicId === zeroTopicId ? { name, topicId } : { name: null, topicId };
    });
    const before = new Set(this.#unanswered);
    for (const name of names) this.#unanswered.add(name);
    const { responses } = await ask(apis.deleteTopics, () => ({ topics, topicNames: names, timeoutMs }));
    for (const name of names) this.#unanswered.delete(name);
    const nameOf = new Map(names.map((name) => [this.#ids.get(name), name]));
    return responses.map(({ name, topicId, errorCode, errorMessage }) => {
      const key = name ?? nameOf.get(topicId) ?? "";
      if (errorCode !== "UNKNOWN_TOPIC_ID") return { key, errorCode, errorMessage, value: { name: key } };
      // it was there, and is gone: an attempt that was not answered has been carried out
      if (before.has(key)) return { key, errorCode: "NONE", errorMessage: null, value: { name: key } };
      this.#ids.delete(key);
      return { key, errorCode, errorMessage: `There is no topic ${key} with the id that a broker knew.`, value: { name: key } };
    });
  }

  async #lookUp(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const { topics } = mergeMetadata(emptySnapshot, await this.#parts.metadata(names));
    for (const name of names) {
      const topicId = topics.get(name)?.topicId;
      if (topicId !== undefined) this.#ids.set(name, topicId);
    }
  }
}
