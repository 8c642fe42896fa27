import type { Clock } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { partitionOfKey } from "../../protocol/base/partition-of-key.ts";
import type { ClusterImage, ImageSource } from "../cluster/cluster-image.ts";
import { offsetsTopic } from "../group/group-records.ts";
import type { CoordinatorFinder } from "./find-coordinator.ts";
import { nodeOn, partitionRecord } from "./leader-hints.ts";
import { type NewTopic, PendingTopics, type TopicMaker } from "./topic-maker.ts";

export interface OffsetsTopicConfig {
  /** `offsets.topic.num.partitions` */
  readonly partitions: number;
  /** `offsets.topic.replication.factor`: as many replicas, or one on each broker that is alive when the topic is created. */
  readonly replicationFactor: number;
  /** `offsets.topic.segment.bytes` */
  readonly segmentBytes: number;
}

export interface GroupFinderParts {
  readonly images: Pick<ImageSource, "current">;
  readonly topicMaker: TopicMaker;
  readonly log: Logger;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly config: OffsetsTopicConfig;
}

const words = { made: "created the topic that groups are kept in", notMade: "could not create the topic that groups are kept in" };

/**
 * A group's coordinator is the leader of its partition of `__consumer_offsets`, which is created when the first client asks. There are no
 * transaction coordinators yet.
 */
export function groupFinder({ images, topicMaker, log, clock, config }: GroupFinderParts): CoordinatorFinder {
  const making = new PendingTopics({ maker: topicMaker, log, clock, images, words, max: 1 });
  return {
    async find(kind, key, listener) {
      // librdkafka takes this error and one other as final, and repeats all the others without end; the Java client shows the sentence
      // with this one, not with the other
      if (kind !== "group")
        return { error: "CLUSTER_AUTHORIZATION_FAILED", message: "transactions are not served: leave transactional.id out" };
      const image = images.current;
      const partitions = image.topics.get(offsetsTopic)?.partitions.length ?? 0;
      if (partitions === 0) {
        const begun = making.begin(newOffsetsTopic(image, config));
        const why = typeof begun === "string" ? "is being created" : `cannot be created: ${begun.message ?? begun.error}`;
        return { error: "COORDINATOR_NOT_AVAILABLE", message: `the topic that groups are kept in ${why}` };
      }
      const record = partitionRecord(image, { topic: offsetsTopic, partition: partitionOfKey(key, partitions) });
      const leader = record === undefined ? undefined : image.brokers.get(record.leader);
      const node = leader === undefined ? null : nodeOn(leader, listener);
      return node === null ? { error: "COORDINATOR_NOT_AVAILABLE" } : { error: null, node };
    },
  };
}

function newOffsetsTopic(
  { brokers, leavingBrokers }: ClusterImage,
  { partitions, replicationFactor, segmentBytes }: OffsetsTopicConfig,
): NewTopic {
  const available = [...brokers.keys()].filter((id) => !leavingBrokers.has(id)).length;
  const configs = [
    { name: "cleanup.policy", value: "compact" },
    { name: "compression.type", value: "producer" },
    { name: "segment.bytes", value: String(segmentBytes) },
  ];
  return {
    name: offsetsTopic,
    numPartitions: partitions,
    replicationFactor: Math.max(1, Math.min(replicationFactor, available)),
    configs,
  };
}
