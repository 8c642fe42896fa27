import type { Clock } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import { isInternalTopic } from "../runtime/topic-names.ts";
import type { TopicAutoCreation } from "./metadata.ts";
import { PendingTopics, type TopicMaker } from "./topic-maker.ts";

export interface AutoCreationParts {
  readonly isEnabled: () => boolean;
  readonly topicMaker: TopicMaker;
  readonly log: Logger;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly images: Pick<ImageSource, "current">;
}

/** Topics being created at a time; beyond this a new name waits for the client's next attempt. */
const inFlightMax = 1000;

const words = { made: "created a topic on its first mention", notMade: "could not create a topic on its first mention" };

/**
 * Creates topics that clients mention, with the broker's defaults. The internal topics are not created this way: they have settings of
 * their own.
 */
export function autoTopicCreation({ isEnabled, topicMaker, ...rest }: AutoCreationParts): TopicAutoCreation {
  const making = new PendingTopics({ ...rest, maker: topicMaker, words, max: inFlightMax });
  return {
    get isEnabled() {
      return isEnabled();
    },
    begin: (name) => (isInternalTopic(name) ? "not-begun" : making.begin({ name, numPartitions: -1, replicationFactor: -1, configs: [] })),
  };
}
