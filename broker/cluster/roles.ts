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
   * longer ours are withdrawn: deleted where the deletion of the topic, or the removal of the replica, is on record (it happened while this
   * broker was away), otherwise set aside.
   */
  readonly full: boolean;
  readonly local: readonly LocalReplica[];
  readonly resolve: ResolveSettings;
}

export function roleChanges({ self, before, after, full, local, resolve }: RoleInput): RoleChanges {
  const withdraw = new Map<string, WithdrawnReplica>();
  // an id that is in use is not deleted, whatever the record says
  const isDeleted = (topicId: TopicId) => after.deletedTopics.has(topicId) && !after.topicNames.has(topicId);
  const removalOf = ({ topicId, ref }: LocalReplica): Pick<WithdrawnReplica, "removal"> => {
    const topic = after.topics.get(after.topicNames.get(topicId) ?? "");
    const record = topic?.partitions[ref.partition];
    if (topic === undefined || record?.removed?.includes(self) !== true) return {};
    return { removal: { leaderEpoch: record.leaderEpoch, settings: resolve(topic.config, after.brokerConfigs) } };
  };
  const withdrawn = (replica: LocalReplica) =>
    withdraw.set(`${replica.topicId}:${replica.ref.partition}`, {
      ...replica,
      isDeleted: isDeleted(replica.topicId),
      ...removalOf(replica),
    });
  const settings: { topic: string; settings: TopicSettings }[] = [];
  const assign: AssignedReplica[] = [];

  for (const topic of before.topics.values()) {
    const now = after.topics.get(topic.name);
    if (now === topic) continue;
    for (const { partition } of ownReplicas(topic, self))
      if (!isReplica(after, topic.id, partition, self)) withdrawn({ ref: { topic: topic.name, partition }, topicId: topic.id });
  }
  if (full) for (const replica of local) if (!isReplica(after, replica.topicId, replica.ref.partition, self)) withdrawn(replica);

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

function isReplica(image: ClusterImage, topicId: TopicId, partition: number, self: BrokerId): boolean {
  const topic = image.topics.get(image.topicNames.get(topicId) ?? "");
  return topic?.partitions[partition]?.replicas.includes(self) === true;
}

function sameBrokerConfigs(before: ClusterImage, after: ClusterImage): boolean {
  if (before.brokerConfigs === after.brokerConfigs) return true;
  if (before.brokerConfigs.size !== after.brokerConfigs.size) return false;
  return [...before.brokerConfigs].every(([key, config]) => {
    const other = after.brokerConfigs.get(key);
    return other !== undefined && sameConfig(config, other);
  });
}
