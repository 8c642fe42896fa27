import { type BrokerId, partitionKey } from "../../protocol/base/ids.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { MetadataUpdateRequest, PartitionRecord, TopicRecord } from "../../protocol/peer/messages.ts";
import { type ClusterImage, emptyImage, sameConfig, type TopicImage } from "./cluster-image.ts";
import type { LedElsewhere } from "./cut-off-leader.ts";

/** How far this broker is in the stream of updates. */
export interface StreamPosition {
  readonly controllerEpoch: number;
  /** The registration the updates were meant for. A later one of ours starts a new stream. */
  readonly brokerEpoch: number;
  readonly sequence: number;
  /** Parts of a full update whose last is still to come. */
  readonly parts: readonly MetadataUpdateRequest[];
  /** The last full update was complete: changes can be applied on it. */
  readonly isComplete: boolean;
}

export const startOfStream: StreamPosition = { controllerEpoch: -1, brokerEpoch: -1, sequence: -1, parts: [], isComplete: false };

export type Taken =
  | { readonly kind: "refused"; readonly error: KafkaError; readonly message: string }
  /** A late copy of an update that has been sent again since. */
  | { readonly kind: "superseded" }
  /** A part of a full update; nothing applies yet. */
  | { readonly kind: "part"; readonly position: StreamPosition }
  | { readonly kind: "applied"; readonly position: StreamPosition; readonly image: ClusterImage; readonly full: boolean };

/**
 * Applies an update to the image. An update of an older controller, for another registration, or that does not fit is refused;
 * INVALID_REQUEST asks for a full one.
 */
export function takeUpdate(image: ClusterImage, position: StreamPosition, update: MetadataUpdateRequest, ownEpoch: number): Taken {
  if (update.controllerEpoch < image.controllerEpoch)
    return refused("STALE_CONTROLLER_EPOCH", `controller epoch ${image.controllerEpoch} is known, this is ${update.controllerEpoch}`);
  // not registered: no update is meant for us, whatever epoch it names
  if (ownEpoch < 0) return refused("STALE_BROKER_EPOCH", "this broker is not registered at present");
  if (update.brokerEpoch !== ownEpoch)
    return refused("STALE_BROKER_EPOCH", `this broker is registered with epoch ${ownEpoch}, not ${update.brokerEpoch}`);
  const inStream = position.controllerEpoch === update.controllerEpoch && position.brokerEpoch === update.brokerEpoch;
  if (inStream && update.sequence <= position.sequence) return { kind: "superseded" };
  const { controllerEpoch, brokerEpoch, sequence } = update;
  const here = { controllerEpoch, brokerEpoch, sequence };

  if (!update.full) {
    if (!inStream || !position.isComplete) return refused("INVALID_REQUEST", "changes came before a full update");
    const next = withChanges(image, update);
    if (next === null) return refused("INVALID_REQUEST", "the changes do not fit what is known");
    return { kind: "applied", position: { ...here, parts: [], isComplete: true }, image: next, full: false };
  }
  const continues = inStream && position.parts.length > 0 && update.sequence === position.sequence + 1;
  const parts = [...(continues ? position.parts : []), update];
  if (update.more) return { kind: "part", position: { ...here, parts, isComplete: false } };
  const next = fromParts(image.clusterId, parts);
  if (next === null) return refused("INVALID_REQUEST", "the full update has gaps: send all its parts again");
  return { kind: "applied", position: { ...here, parts: [], isComplete: true }, image: next, full: true };
}

function fromParts(clusterId: string, parts: readonly MetadataUpdateRequest[]): ClusterImage | null {
  let image: ClusterImage | null = emptyImage(clusterId);
  for (const part of parts) if (image !== null) image = withChanges(image, part);
  return image;
}

function withChanges(image: ClusterImage, update: MetadataUpdateRequest): ClusterImage | null {
  const topics = new Map(image.topics);
  const topicNames = new Map(image.topicNames);
  const remove = (name: string) => {
    const topic = topics.get(name);
    if (topic === undefined) return;
    topics.delete(name);
    topicNames.delete(topic.id);
  };
  // by id: the name may be in use again, by a topic created after the deletion
  for (const { id } of update.deletedTopics) remove(topicNames.get(id) ?? "");
  const deletedTopics = withDeleted(image.deletedTopics, update.deletedTopics);
  for (const record of update.topics) {
    const known = topics.get(record.name);
    if (known !== undefined && known.id !== record.id) remove(record.name);
    const topic = withRecord(known?.id === record.id ? known : null, record);
    if (topic === null) return null;
    topics.set(topic.name, topic);
    topicNames.set(topic.id, topic.name);
  }
  return {
    clusterId: image.clusterId,
    controllerId: update.controllerId,
    controllerEpoch: update.controllerEpoch,
    brokers: new Map(update.brokers.map((broker) => [broker.id, broker])),
    leavingBrokers: new Set(update.leavingBrokers),
    suspectedBrokers: new Set(update.suspectedBrokers),
    startingLeaders: update.startingLeaders,
    topics,
    topicNames,
    deletedTopics,
    brokerConfigs: update.brokerConfigs === null ? image.brokerConfigs : new Map(Object.entries(update.brokerConfigs)),
    features: update.features == null ? image.features : { ...update.features, levels: new Map(Object.entries(update.features.levels)) },
    offlineReplicas: update.offlineReplicas === null ? image.offlineReplicas : offlineByBroker(update.offlineReplicas),
  };
}

/** Each full update starts over; this bound is for a controller that stays for ever. */
const deletedTopicsMax = 20_000;

function withDeleted(known: ClusterImage["deletedTopics"], told: MetadataUpdateRequest["deletedTopics"]): ClusterImage["deletedTopics"] {
  if (told.length === 0) return known;
  const all = [...known, ...told.map(({ id, name }) => [id, name] as const)];
  return new Map(all.slice(-deletedTopicsMax));
}

function offlineByBroker(told: NonNullable<MetadataUpdateRequest["offlineReplicas"]>): ClusterImage["offlineReplicas"] {
  const offline = new Map<BrokerId, Map<string, string>>();
  for (const { brokerId, reason, replicas } of told) {
    const reasons = offline.get(brokerId) ?? new Map<string, string>();
    for (const { topicId, partition } of replicas) reasons.set(partitionKey(topicId, partition), reason);
    offline.set(brokerId, reasons);
  }
  return offline;
}

/** Null when partitions would be missing between those known. */
function withRecord(known: TopicImage | null, { name, id, partitions: changed, config }: TopicRecord): TopicImage | null {
  const partitions: PartitionRecord[] = [...(known?.partitions ?? [])];
  // checked before it is placed: an array with a hole of two thousand million entries takes a minute to traverse
  const end = partitions.length + changed.length;
  if (changed.some(({ partition }) => partition >= end)) return null;
  for (const record of changed) partitions[record.partition] = record;
  // a sparse array counts its holes in `length`, `filter` leaves them out
  if (partitions.length !== partitions.filter((record) => record !== undefined).length) return null;
  return { name, id, partitions, config: known !== null && sameConfig(known.config, config) ? known.config : config };
}

/**
 * The image with those of these states that are newer than what it has. The same image: none of them is. By the topic's id: it may have
 * been re-created under its name since the state was read, and begun with epoch 0.
 */
export function withLedElsewhere(image: ClusterImage, partitions: readonly LedElsewhere[]): ClusterImage {
  const topics = new Map(image.topics);
  let isNew = false;
  for (const { topic: name, topicId, record } of partitions) {
    const topic = topics.get(name);
    const known = topic?.partitions[record.partition];
    if (topic?.id !== topicId || known === undefined || known.leaderEpoch >= record.leaderEpoch) continue;
    topics.set(name, { ...topic, partitions: topic.partitions.with(record.partition, record) });
    isNew = true;
  }
  return isNew ? { ...image, topics } : image;
}

/** Whether leaders have to check their followers: a broker is gone, suspected or shutting down, or what it can use has changed. */
export function someoneLeft(before: ClusterImage, after: ClusterImage): boolean {
  if (before.offlineReplicas !== after.offlineReplicas) return true;
  if (!after.suspectedBrokers.isSubsetOf(before.suspectedBrokers)) return true;
  return [...before.brokers.keys()].some((id) => !after.brokers.has(id)) || !after.leavingBrokers.isSubsetOf(before.leavingBrokers);
}

function refused(error: KafkaError, message: string): Taken {
  return { kind: "refused", error, message };
}
