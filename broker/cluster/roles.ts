import type { BrokerId, TopicId, TopicPartition } from "../../protocol/base/ids.ts";
import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import type { AssignedReplica, WithdrawnReplica } from "../partition/cluster-contract.ts";
import type { TopicSettings } from "../runtime/config/topic-settings.ts";
import { type ClusterImage, sameConfig, type TopicImage } from "./cluster-image.ts";
import type { ResolveSettings } from "./resolve-settings.ts";

/** A replica on this broker's disks, whatever its role. */
export interface LocalReplica {
  readonly ref: TopicPartition;
  readonly topicId: TopicId;
}

/** What this broker has to do after a change of the image, in the order of the fields. */
export interface RoleChanges {
  readonly withdraw: readonly WithdrawnReplica[];
  readonly settings: readonly { readonly topic: string; readonly settings: TopicSettings }[];
  readonly assign: readonly AssignedReplica[];
}

export interface RoleInput {
  readonly self: BrokerId;
  readonly before: ClusterImage;
  readonly after: ClusterImage;
  /**
   * After a full update everything is assigned again (it may come after the roles ended with a session), and logs on disk that are no
   * longer ours are withdrawn: deleted where the deletion of the topic is on record (it happened while this broker was away), otherwise set
   * aside.
   */
  readonly full: boolean;
  readonly local: readonly LocalReplica[];
  readonly resolve: ResolveSettings;
}

/**
 * A log goes with its replica only if this broker sees the removal: a change, by a controller whose updates had the replica under a lower
 * leader epoch before. The record of a removal alone says too little. Race:
 * 1. The replica is removed, which is on record in the topic's znode; ZooKeeper is backed up.
 * 2. It comes back here, leads, and acknowledges; the others' logs are deleted.
 * 3. ZooKeeper is restored. A full update names the old removal, maybe even under an epoch that is higher by now.
 * So what a full update no longer names is set aside, and is here when ZooKeeper's newer state, or an operator, asks for it.
 */
export function roleChanges({ self, before, after, full, local, resolve }: RoleInput): RoleChanges {
  const withdraw = new Map<string, WithdrawnReplica>();
  // an id that is in use is not deleted, whatever the record says
  const isDeleted = (topicId: TopicId) => after.deletedTopics.has(topicId) && !after.topicNames.has(topicId);
  const withdrawn = (replica: LocalReplica, removal: Pick<WithdrawnReplica, "removedInEpoch"> = {}) =>
    withdraw.set(`${replica.topicId}:${replica.ref.partition}`, { ...replica, isDeleted: isDeleted(replica.topicId), ...removal });
  const settings: { topic: string; settings: TopicSettings }[] = [];
  const assign: AssignedReplica[] = [];

  for (const topic of before.topics.values()) {
    const now = after.topics.get(topic.name);
    if (now === topic) continue;
    for (const { partition, leaderEpoch } of ownReplicas(topic, self)) {
      const next = recordOf(after, topic.id, partition);
      if (next?.replicas.includes(self) === true) continue;
      const isSeen = !full && next?.removed?.includes(self) === true && leaderEpoch < next.leaderEpoch;
      withdrawn({ ref: { topic: topic.name, partition }, topicId: topic.id }, isSeen ? { removedInEpoch: next.leaderEpoch } : {});
    }
  }
  if (full)
    for (const replica of local)
      if (recordOf(after, replica.topicId, replica.ref.partition)?.replicas.includes(self) !== true) withdrawn(replica);

  const brokerConfigsChanged = !sameBrokerConfigs(before, after);
  for (const topic of after.topics.values()) {
    const previous = before.topics.get(topic.name);
    const known = previous?.id === topic.id ? previous : undefined;
    if (known === topic && !full && !brokerConfigsChanged) continue;
    const own = ownReplicas(topic, self);
    if (own.length === 0) continue;
    const resolved = resolve(topic.config, after.brokerConfigs);
    if (known !== undefined && (brokerConfigsChanged || !sameConfig(known.config, topic.config)))
      settings.push({ topic: topic.name, settings: resolved });
    for (const state of own)
      if (full || known?.partitions[state.partition] !== state)
        assign.push({ topic: topic.name, topicId: topic.id, state, settings: resolved });
  }
  return { withdraw: [...withdraw.values()], settings, assign };
}

function ownReplicas(topic: TopicImage, self: BrokerId): PartitionRecord[] {
  return topic.partitions.filter(({ replicas }) => replicas.includes(self));
}

function recordOf(image: ClusterImage, topicId: TopicId, partition: number): PartitionRecord | undefined {
  return image.topics.get(image.topicNames.get(topicId) ?? "")?.partitions[partition];
}

function sameBrokerConfigs(before: ClusterImage, after: ClusterImage): boolean {
  if (before.brokerConfigs === after.brokerConfigs) return true;
  if (before.brokerConfigs.size !== after.brokerConfigs.size) return false;
  return [...before.brokerConfigs].every(([key, config]) => {
    const other = after.brokerConfigs.get(key);
    return other !== undefined && sameConfig(config, other);
  });
}
