import type { BrokerId, TopicId, TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaProtocolError } from "../base/errors.ts";
import type { BrokerMetadata, PartitionMetadata } from "../metadata/cluster-snapshot.ts";
import type { FoundOffset, OffsetSpec } from "../metadata/offset-lookup.ts";

/** The result of one item of a request: others may have other results. `orThrow` turns a list of these into values. */
export type ItemResult<T> = (T & { readonly error: null }) | (Partial<T> & { readonly error: KafkaProtocolError });

/** The items, when all succeeded; throws the first error otherwise. */
export function orThrow<T>(results: readonly ItemResult<T>[]): readonly T[] {
  for (const { error } of results) if (error !== null) throw error;
  return results as readonly T[];
}

export interface NewTopic {
  readonly name: string;
  /** Default: the brokers' `num.partitions`. */
  readonly partitions?: number;
  /** Default: the brokers' `default.replication.factor`. */
  readonly replicationFactor?: number;
  /** Instead of both: for each partition, its replicas, the preferred leader first. */
  readonly assignment?: readonly (readonly BrokerId[])[];
  /** Settings of the topic, by Kafka's names. */
  readonly configs?: Readonly<Record<string, string>>;
}

export interface CreatedTopic {
  readonly name: string;
  readonly topicId: TopicId;
  /** -1 where the broker is too old to report it. */
  readonly partitions: number;
  readonly replicationFactor: number;
}

export interface NewPartitions {
  readonly topic: string;
  /** The new total. */
  readonly count: number;
  /** For each added partition, its replicas. */
  readonly assignment?: readonly (readonly BrokerId[])[];
}

export interface TopicDescription {
  readonly name: string;
  readonly topicId: TopicId;
  readonly isInternal: boolean;
  readonly partitions: readonly PartitionMetadata[];
}

export interface ClusterDescription {
  readonly clusterId: string | null;
  /** -1: none is known. */
  readonly controllerId: BrokerId;
  readonly brokers: readonly BrokerMetadata[];
}

/** `broker` null: what is set at run time for all brokers. */
export type ConfigResource = { readonly topic: string } | { readonly broker: BrokerId | null };

export type ConfigSource = "topic" | "dynamic-broker" | "dynamic-default" | "static-broker" | "default" | "unknown";

export interface ConfigEntry {
  readonly name: string;
  /** Null where it is a secret. */
  readonly value: string | null;
  readonly source: ConfigSource;
  readonly isReadOnly: boolean;
  readonly isSensitive: boolean;
  /** Where the value could come from, the one in force first; empty unless requested. */
  readonly synonyms: readonly ConfigSynonym[];
}

export interface ConfigSynonym {
  readonly name: string;
  readonly value: string | null;
  readonly source: ConfigSource;
}

export interface ResourceConfigs {
  readonly resource: ConfigResource;
  readonly configs: readonly ConfigEntry[];
}

/** `append` and `subtract` are for settings that are lists. `delete` goes back to the default. */
export type ConfigChange =
  | { readonly name: string; readonly operation: "set" | "append" | "subtract"; readonly value: string }
  | { readonly name: string; readonly operation: "delete" };

export interface ResourceChange {
  readonly resource: ConfigResource;
  readonly changes: readonly ConfigChange[];
}

/** The complete settings of the resource: what is set at run time and not named returns to its default. */
export interface ResourceReplacement {
  readonly resource: ConfigResource;
  readonly configs: Readonly<Record<string, string>>;
}

export interface OffsetResult extends TopicPartition, FoundOffset {}

export interface OffsetRequest extends TopicPartition {
  readonly spec: OffsetSpec;
}
