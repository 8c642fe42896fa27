import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { createTopicsRequest, createTopicsResponse } from "../../protocol/messages/create-topics.ts";
import { encodeWhole } from "../../protocol/schema/message.ts";
import { Reader } from "../../protocol/wire/reader.ts";
import { isInternalTopic } from "../runtime/topic-names.ts";
import type { Endpoint } from "./api.ts";
import type { TopicAutoCreation } from "./metadata.ts";
import { uncounted } from "./request-meter.ts";

export interface AutoCreationParts {
  readonly isEnabled: () => boolean;
  /** CreateTopics as clients reach it: served here or forwarded to the controller. */
  readonly createTopics: Endpoint;
  /** Aborts when the broker shuts down. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Topics being created at a time; beyond this a new name waits for the client's next attempt. */
const inFlightMax = 1000;

/** How long one creation may take, in milliseconds; the client retries meanwhile. */
const creationTimeoutMs = 30_000;

const version = createTopicsRequest.versions[1];

/**
 * Creates topics that clients mention, with the broker's defaults. The internal topics are not created this way: they have settings of
 * their own.
 */
export function autoTopicCreation({ isEnabled, createTopics, signal, log }: AutoCreationParts): TopicAutoCreation {
  const inFlight = new Set<string>();
  const context = {
    apiVersion: version,
    clientId: null,
    listener: "",
    remote: "auto creation",
    connectionId: -1,
    signal,
    meter: uncounted,
  };
  const create = async (name: string) => {
    const topic = { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] };
    const body = encodeWhole(createTopicsRequest, { topics: [topic], timeoutMs: creationTimeoutMs, validateOnly: false }, version);
    const answer = await createTopics.serve(body, context);
    for (const { errorCode, errorMessage } of createTopicsResponse.read(new Reader(Buffer.concat(answer ?? [])), version).topics) {
      if (errorCode === "NONE") log.info({ topic: name }, "created a topic on its first mention");
      else if (errorCode !== "TOPIC_ALREADY_EXISTS")
        log.warn({ topic: name, error: errorCode, reason: errorMessage }, "could not create a topic on its first mention");
    }
  };
  return {
    get isEnabled() {
      return isEnabled();
    },
    begin(name) {
      if (isInternalTopic(name)) return false;
      if (inFlight.has(name)) return true;
      if (inFlight.size >= inFlightMax) return false;
      inFlight.add(name);
      void create(name)
        .catch((error: unknown) => {
          if (error instanceof InvariantViolation) throw error;
          log.warn({ topic: name, err: error }, "could not create a topic on its first mention");
        })
        .finally(() => inFlight.delete(name));
      return true;
    },
  };
}
