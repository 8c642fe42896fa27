import type { BrokerId, TopicId } from "../../protocol/base/ids.ts";
import type { BrokerRecord, PartitionRecord, StartingLeader } from "../../protocol/peer/messages.ts";

/** The cluster as this broker knows it: a value, replaced whole at each update. */
export interface ClusterImage {
  readonly clusterId: string;
  /** -1 while no controller is known. */
  readonly controllerId: BrokerId;
  readonly controllerEpoch: number;
  /** Live brokers. */
  readonly brokers: ReadonlyMap<BrokerId, BrokerRecord>;
  /** Live brokers that are being shut down. */
  readonly leavingBrokers: ReadonlySet<BrokerId>;
  /** Leaders of partitions that were just made, which do not serve them yet as far as is known. */
  readonly startingLeaders: readonly StartingLeader[];
  readonly topics: ReadonlyMap<string, TopicImage>;
  readonly topicNames: ReadonlyMap<TopicId, string>;
  /**
   * Topics whose deletion is on record, as far as this broker was told, with their names. A topic that is in neither is unknown, which says
   * nothing of it.
   */
  readonly deletedTopics: ReadonlyMap<TopicId, string>;
  /** Dynamic broker settings: by broker id as text; `""` holds the cluster-wide default. */
  readonly brokerConfigs: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** Replicas that live brokers cannot use, by topic id and partition as `partitionKey` joins them: why, for the operator. */
  readonly offlineReplicas: ReadonlyMap<BrokerId, ReadonlyMap<string, string>>;
}

export interface TopicImage {
  readonly name: string;
  readonly id: TopicId;
  /** By partition number, dense from 0. */
  readonly partitions: readonly PartitionRecord[];
  readonly config: Readonly<Record<string, string>>;
}

/** Where the API handlers read the cluster from. */
export interface ImageSource {
  readonly current: ClusterImage;
  /** Called after each replacement. Returns the way to unsubscribe. */
  onChange(listener: (image: ClusterImage) => void): () => void;
}
