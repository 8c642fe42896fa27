import type { BrokerId, TopicId } from "../../protocol/base/ids.ts";

/** Kafka's own paths, where its tools look. All below the chroot. */
export const brokerIdsPath = "/brokers/ids";
export const topicsPath = "/brokers/topics";
/** Its data version is a counter for generated broker ids. */
export const brokerSequencePath = "/brokers/seqid";
export const controllerPath = "/controller";
export const controllerEpochPath = "/controller_epoch";
export const configPath = "/config";
export const topicConfigsPath = "/config/topics";
export const brokerConfigsPath = "/config/brokers";
export const configChangesPath = "/config/changes";
export const deletionsPath = "/admin/delete_topics";
/** Ours, not Kafka's: by topic id, the deletions that not all brokers with replicas have carried out yet. */
export const deletionRecordsPath = "/admin/ottla_deletions";
/** Ours, not Kafka's. */
export const autoRebalancePath = "/admin/ottla_auto_rebalance";
/** The features that the cluster as a whole acts by. */
export const featurePath = "/feature";
export const clusterIdPath = "/cluster/id";
export const producerIdBlockPath = "/latest_producer_id_block";
export const isrChangesPath = "/isr_change_notification";
/** Ours, not Kafka's. A process that can read it counts as a broker. */
export const peerSecretPath = "/ottla/peer_secret";

/** Folders that a fresh cluster needs, parents first. */
export const persistentFolders: readonly string[] = [
  brokerIdsPath,
  topicsPath,
  topicConfigsPath,
  brokerConfigsPath,
  configChangesPath,
  deletionsPath,
  deletionRecordsPath,
  brokerSequencePath,
  isrChangesPath,
  "/cluster",
];

/** Prefix of the sequential znodes that announce changed settings. */
export const configChangePrefix = `${configChangesPath}/config_change_`;
export const isrChangePrefix = `${isrChangesPath}/isr_change_`;

/** The child of `brokerConfigsPath` that applies to every broker. */
export const defaultBrokerConfigName = "<default>";

export function brokerPath(id: BrokerId): string {
  return `${brokerIdsPath}/${id}`;
}

export function topicPath(topic: string): string {
  return `${topicsPath}/${topic}`;
}

/**
 * Ours, not Kafka's: it exists while the topic of this name is the one with this id. A write that checks it cannot reach a topic re-created
 * under the name, whose znodes have the same paths and, being new, the same versions.
 */
export function topicIdPath(topic: string, id: TopicId): string {
  return `${topicPath(topic)}/id-${id}`;
}

export function partitionsPath(topic: string): string {
  return `${topicPath(topic)}/partitions`;
}

export function partitionPath(topic: string, partition: number): string {
  return `${partitionsPath(topic)}/${partition}`;
}

export function partitionStatePath(topic: string, partition: number): string {
  return `${partitionPath(topic, partition)}/state`;
}

export function topicConfigPath(topic: string): string {
  return `${topicConfigsPath}/${topic}`;
}

/** Null: for all brokers. */
export function brokerConfigPath(id: BrokerId | null): string {
  return `${brokerConfigsPath}/${id ?? defaultBrokerConfigName}`;
}

export function topicDeletionPath(topic: string): string {
  return `${deletionsPath}/${topic}`;
}

export function deletionRecordPath(id: TopicId): string {
  return `${deletionRecordsPath}/${id}`;
}

/**
 * A child's name of `brokerIdsPath`, `brokerConfigsPath` or a partitions folder as a number; null if no broker or partition can have that
 * number.
 */
export function numberedName(name: string): number | null {
  return /^(?:0|[1-9]\d{0,9})$/.test(name) && Number(name) < 2 ** 31 ? Number(name) : null;
}
