import type { BrokerId, TopicId } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";

/** An answer for one of several things asked at once. `message` is for a person; null when there is nothing to add. */
export interface Verdict {
  readonly error: KafkaErrorCode;
  readonly message: string | null;
}

/**
 * What only the controller may do. Served on the broker that is the controller; elsewhere every verdict is NOT_CONTROLLER. A change is in
 * the coordinator when a verdict says NONE, and, as far as `timeoutMs` allowed, known to every live broker.
 */
export interface ControllerService {
  readonly isController: boolean;
  createTopics(topics: readonly TopicCreation[], options: AdminOptions): Promise<readonly (Verdict & CreatedTopic)[]>;
  /** By name or by id (exactly one given). */
  deleteTopics(
    topics: readonly { readonly name: string | null; readonly id: TopicId | null }[],
    options: AdminOptions,
  ): Promise<readonly (Verdict & { readonly name: string | null; readonly id: TopicId | null })[]>;
  createPartitions(topics: readonly PartitionsCreation[], options: AdminOptions): Promise<readonly (Verdict & { readonly name: string })[]>;
  /** `partitions` null: all partitions of all topics. */
  electLeaders(
    kind: "preferred" | "unclean",
    partitions: readonly { readonly topic: string; readonly partition: number }[] | null,
    options: AdminOptions,
  ): Promise<readonly (Verdict & { readonly topic: string; readonly partition: number })[]>;
  /** Where the request is about to be answered, what was accepted is in the coordinator, and goes on by itself. */
  alterPartitionReassignments(
    wanted: readonly ReplicasWanted[],
    options: AdminOptions & { readonly mayChangeReplicationFactor: boolean },
  ): Promise<readonly (Verdict & PartitionNamed)[]>;
  /** Those under way; of these partitions, or, null, of all. */
  listPartitionReassignments(
    partitions: readonly PartitionNamed[] | null,
    timeoutMs: number,
  ): Promise<Verdict & { readonly reassignments: readonly ReassignmentUnderWay[] }>;
  /** Names and values were not yet checked. All changes of one resource are applied or none. */
  alterConfigs(changes: readonly ConfigChange[], options: AdminOptions): Promise<readonly Verdict[]>;
  /** All of them or none. Names were not yet checked, but each is there once. */
  updateFeatures(updates: readonly FeatureUpdate[], options: AdminOptions): Promise<Verdict>;
}

export interface AdminOptions {
  readonly timeoutMs: number;
  readonly validateOnly: boolean;
}

export interface TopicCreation {
  readonly name: string;
  /** -1: the broker's `num.partitions`, or as `assignments` say. */
  readonly numPartitions: number;
  /** -1: the broker's `default.replication.factor`, or as `assignments` say. */
  readonly replicationFactor: number;
  /** Empty: the controller chooses, balanced and rack-aware. */
  readonly assignments: readonly { readonly partition: number; readonly brokerIds: readonly BrokerId[] }[];
  readonly configs: readonly { readonly name: string; readonly value: string | null }[];
}

export interface CreatedTopic {
  readonly name: string;
  readonly topicId: TopicId;
  readonly numPartitions: number;
  readonly replicationFactor: number;
}

export interface PartitionsCreation {
  readonly name: string;
  /** The new total. */
  readonly count: number;
  readonly assignments: readonly (readonly BrokerId[])[] | null;
}

export interface PartitionNamed {
  readonly topic: string;
  readonly partition: number;
}

export interface ReplicasWanted extends PartitionNamed {
  /** Null: those that it had before its reassignment. */
  readonly replicas: readonly BrokerId[] | null;
}

export interface ReassignmentUnderWay extends PartitionNamed {
  readonly replicas: readonly BrokerId[];
  readonly adding: readonly BrokerId[];
  readonly removing: readonly BrokerId[];
}

export interface FeatureUpdate {
  readonly feature: string;
  /** 0: without it. */
  readonly level: number;
  readonly kind: "upgrade" | "safe-downgrade" | "unsafe-downgrade";
}

export interface ConfigChange {
  readonly resource:
    | { readonly kind: "topic"; readonly name: string }
    | { readonly kind: "broker" /** Null: the cluster-wide default. */; readonly id: BrokerId | null };
  readonly operations: readonly {
    readonly name: string;
    readonly operation: "set" | "delete" | "append" | "subtract";
    readonly value: string | null;
  }[];
  /** True (AlterConfigs): what is not named is reset. */
  readonly replaceAll: boolean;
}
