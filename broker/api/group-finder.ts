import type { Clock } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { partitionOfKey } from "../../protocol/base/partition-of-key.ts";
import type { ClusterImage, ImageSource } from "../cluster/cluster-image.ts";
import { offsetsTopic } from "../group/group-records.ts";
import { transactionStateTopic } from "../transaction/transaction-records.ts";
import type { CoordinatorFinder, CoordinatorKind } from "./find-coordinator.ts";
import { nodeOn, partitionRecord } from "./leader-hints.ts";
import { type NewTopic, PendingTopics, type TopicMaker } from "./topic-maker.ts";

/** How a topic is made that coordinators keep their state in. */
export interface StateTopicConfig {
  /** `offsets.topic.num.partitions`, `transaction.state.log.num.partitions` */
  readonly partitions: number;
  /** `….replication.factor`: as many replicas, or one on each broker that is alive when the topic is created. */
  readonly replicationFactor: number;
  /** `….segment.bytes` */
  readonly segmentBytes: number;
  /** `transaction.state.log.min.isr`, or all replicas if there are fewer; null: the cluster's default. */
  readonly minInsync?: number | null;
}

export interface GroupFinderParts {
  readonly images: Pick<ImageSource, "current">;
  readonly topicMaker: TopicMaker;
  readonly log: Logger;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly config: StateTopicConfig;
  readonly transactions: StateTopicConfig;
}

interface StateTopic {
  readonly name: string;
  readonly config: StateTopicConfig;
  readonly what: string;
  readonly making: PendingTopics;
}

/**
 * A group's coordinator is the leader of its partition of `__consumer_offsets`, a transactional id's that of its partition of
 * `__transaction_state`. Each of these topics is created when the first client asks.
 */
export function groupFinder({ images, config, transactions, ...parts }: GroupFinderParts): CoordinatorFinder {
  const stateTopic = (name: string, what: string, own: StateTopicConfig): StateTopic => {
    const words = { made: `created the topic that ${what} are kept in`, notMade: `could not create the topic that ${what} are kept in` };
    return { name, config: own, what, making: new PendingTopics({ ...parts, maker: parts.topicMaker, images, words, max: 1 }) };
  };
  const topics: Readonly<Record<CoordinatorKind, StateTopic>> = {
    group: stateTopic(offsetsTopic, "groups", config),
    transaction: stateTopic(transactionStateTopic, "transactions", transactions),
  };
  return {
    async find(kind, key, listener) {
      const topic = topics[kind];
      const image = images.current;
      const partitions = image.topics.get(topic.name)?.partitions.length ?? 0;
      if (partitions === 0) {
        const begun = topic.making.begin(newStateTopic(image, topic));
        const why = typeof begun === "string" ? "is being created" : `cannot be created: ${begun.message ?? begun.error}`;
        return { error: "COORDINATOR_NOT_AVAILABLE", message: `the topic that ${topic.what} are kept in ${why}` };
      }
      const record = partitionRecord(image, { topic: topic.name, partition: partitionOfKey(key, partitions) });
      const leader = record === undefined ? undefined : image.brokers.get(record.leader);
      const node = leader === undefined ? null : nodeOn(leader, listener);
      return node === null ? { error: "COORDINATOR_NOT_AVAILABLE" } : { error: null, node };
    },
  };
}

function newStateTopic({ brokers, leavingBrokers }: ClusterImage, { name, config }: StateTopic): NewTopic {
  const available = [...brokers.keys()].filter((id) => !leavingBrokers.has(id)).length;
  const replicationFactor = Math.max(1, Math.min(config.replicationFactor, available));
  const { minInsync = null } = config;
  const configs = [
    { name: "cleanup.policy", value: "compact" },
    { name: "compression.type", value: "producer" },
    { name: "segment.bytes", value: String(config.segmentBytes) },
    ...(minInsync === null ? [] : [{ name: "min.insync.replicas", value: String(Math.min(minInsync, replicationFactor)) }]),
  ];
  return { name, numPartitions: config.partitions, replicationFactor, configs };
}
