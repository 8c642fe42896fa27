import type { TopicId } from "../../../protocol/base/ids.ts";
import { invariant } from "../../../protocol/base/invariant.ts";
import type { KafkaError } from "../../../protocol/errors/kafka-errors.ts";
import type { StateMemory } from "../../state-machine/state-memory.ts";
import { noPartitions, type PartitionMap } from "../assignors/partition-map.ts";
import type { Committer, Group, GroupRecord } from "../contract.ts";
import { textBytes } from "../member-memory.ts";
import { Tally } from "../tally.ts";
import { type CurrentAssignment, isReconciledTo, type MemberProfile, unassigned } from "./consumer-group-member.ts";
import { groupTombstone, memberTombstone, patternTombstone, type SubscribedTopics } from "./consumer-group-records.ts";
import { currentBytes, groupOverheadBytes, matchesBytes, profileBytes, subscribedBytes, targetBytes } from "./member-bytes.ts";

/** The first version of OffsetCommit whose clients know of member epochs. */
const epochAwareCommitVersion = 9;

export type ConsumerGroupState = "Empty" | "Assigning" | "Reconciling" | "Stable";

/**
 * A group with the new protocol (KIP-848), derived from its records. Only `replay…` changes it, when a record is read or was appended; so
 * its state in memory is the same as after a reload.
 * A compacted log may have the records of a group in another order than that in which they were written: nothing here depends on which
 * comes first.
 */
export class ConsumerGroup implements Group {
  readonly type = "consumer";
  readonly protocolType = "consumer";
  readonly groupId: string;
  #groupEpoch: number | null = null;
  #assignmentEpoch: number | null = null;
  #subscribedTopics: SubscribedTopics | null = null;
  readonly #profiles = new Map<string, MemberProfile>();
  readonly #currents = new Map<string, CurrentAssignment>();
  readonly #targets = new Map<string, PartitionMap>();
  /** By expression, the topics it matches. */
  readonly #matches = new Map<string, ReadonlySet<string>>();
  // derived from the above
  readonly #owners = new PartitionOwners();
  readonly #staticMembers = new Map<string, string>();
  readonly #subscriptions = new Tally();
  readonly #patterns = new Tally();
  readonly #assignors = new Tally();
  readonly #memory: StateMemory;
  /** What is counted there on behalf of this group. */
  #bytes = 0;

  constructor(groupId: string, memory: StateMemory) {
    this.groupId = groupId;
    this.#memory = memory;
  }

  get groupEpoch(): number {
    return this.#groupEpoch ?? 0;
  }

  /** The group epoch that the target assignment was made for. */
  get assignmentEpoch(): number {
    return this.#assignmentEpoch ?? 0;
  }

  /** The topics that the group epoch stands for. */
  get subscribedTopics(): SubscribedTopics {
    return this.#subscribedTopics ?? new Map();
  }

  get members(): ReadonlyMap<string, MemberProfile> {
    return this.#profiles;
  }

  /** How many members subscribe to each subscribed topic, whether it exists or not. */
  get subscriptions(): Pick<Tally, "count" | "words"> {
    return this.#subscriptions;
  }

  /** How many members subscribe by each expression. */
  get patterns(): Pick<Tally, "count" | "words" | "size"> {
    return this.#patterns;
  }

  /** The topics that an expression was found to match; null: not matched yet. */
  matchesOf(pattern: string): ReadonlySet<string> | null {
    return this.#matches.get(pattern) ?? null;
  }

  /** How many members request each assignor. */
  get assignors(): Pick<Tally, "count"> {
    return this.#assignors;
  }

  /**
   * No group reaches the last epoch by itself, but what is read from its log may be anything: such a group gets no new target any more, and
   * harms no other.
   */
  get nextEpoch(): number {
    return Math.min(this.groupEpoch + 1, 2 ** 31 - 1);
  }

  get isEmpty(): boolean {
    return this.#profiles.size === 0;
  }

  /** Not one record is left of it. */
  get isGone(): boolean {
    const isBlank = this.#groupEpoch === null && this.#assignmentEpoch === null && this.#subscribedTopics === null;
    return isBlank && [this.#profiles, this.#currents, this.#targets, this.#matches].every(({ size }) => size === 0);
  }

  get stateName(): ConsumerGroupState {
    if (this.isEmpty) return "Empty";
    if (this.groupEpoch > this.assignmentEpoch) return "Assigning";
    for (const memberId of this.#profiles.keys()) if (!isReconciledTo(this.current(memberId), this.assignmentEpoch)) return "Reconciling";
    return "Stable";
  }

  current(memberId: string): CurrentAssignment {
    return this.#currents.get(memberId) ?? unassigned;
  }

  target(memberId: string): PartitionMap {
    return this.#targets.get(memberId) ?? noPartitions;
  }

  hasTarget(memberId: string): boolean {
    return this.#targets.has(memberId);
  }

  /** The member that has the instance id; null: none has. */
  staticMember(instanceId: string): string | null {
    return this.#staticMembers.get(instanceId) ?? null;
  }

  ownerOf(topicId: TopicId, partition: number): string | null {
    return this.#owners.ownerOf(topicId, partition);
  }

  admitOffsetCommit(by: Committer): KafkaError | null {
    const { memberId, groupInstanceId, generationIdOrMemberEpoch: epoch, apiVersion, isTransactional = false } = by;
    // from outside, while there are no members: an administrator sets positions
    if (epoch < 0 && this.isEmpty) return null;
    if (isTransactional && epoch < 0 && memberId === "" && groupInstanceId === null) return null;
    if (!this.#profiles.has(memberId)) return "UNKNOWN_MEMBER_ID";
    if (!isTransactional && apiVersion < epochAwareCommitVersion) return "UNSUPPORTED_VERSION";
    return epoch === this.current(memberId).epoch ? null : "STALE_MEMBER_EPOCH";
  }

  admitOffsetFetch({ memberId, memberEpoch }: { readonly memberId: string | null; readonly memberEpoch: number }): KafkaError | null {
    if (memberId === null && memberEpoch < 0) return null;
    if (memberId === null || !this.#profiles.has(memberId)) return "UNKNOWN_MEMBER_ID";
    return memberEpoch === this.current(memberId).epoch ? null : "STALE_MEMBER_EPOCH";
  }

  isSubscribedTo(topic: string): boolean {
    if (this.#subscriptions.count(topic) > 0) return true;
    for (const pattern of this.#patterns.words()) if (this.#matches.get(pattern)?.has(topic)) return true;
    return false;
  }

  offsetIdleSinceMs(topic: string, commitTimestampMs: number): number | null {
    return this.isSubscribedTo(topic) ? null : commitTimestampMs;
  }

  tombstones(): readonly GroupRecord[] {
    return [
      ...this.#tombstonesOf("current", this.#currents),
      ...this.#tombstonesOf("target", this.#targets),
      ...this.#tombstonesOf("member", this.#profiles),
      ...[...this.#matches.keys()].map((pattern) => patternTombstone(this.groupId, pattern)),
      groupTombstone("assignmentEpoch", this.groupId),
      groupTombstone("subscribedTopics", this.groupId),
      groupTombstone("groupEpoch", this.groupId),
    ];
  }

  #tombstonesOf(kind: "current" | "target" | "member", byMember: ReadonlyMap<string, unknown>): GroupRecord[] {
    return [...byMember.keys()].map((memberId) => memberTombstone(kind, this.groupId, memberId));
  }

  /** This broker no longer coordinates the group: it takes no memory here. */
  forget(): void {
    this.#count(-this.#bytes);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    invariant(this.#bytes >= 0, "a group takes no less than nothing", () => ({ bytes: this.#bytes }));
    this.#memory.change(bytes);
  }

  // Replaying: null is a tombstone.

  replayGroupEpoch(epoch: number | null): void {
    this.#count(((epoch === null ? 0 : 1) - (this.#groupEpoch === null ? 0 : 1)) * (groupOverheadBytes + textBytes(this.groupId)));
    this.#groupEpoch = epoch;
  }

  replayAssignmentEpoch(epoch: number | null): void {
    this.#assignmentEpoch = epoch;
  }

  replaySubscribedTopics(topics: SubscribedTopics | null): void {
    this.#count(subscribedBytes(topics) - subscribedBytes(this.#subscribedTopics));
    this.#subscribedTopics = topics;
  }

  replayProfile(memberId: string, profile: MemberProfile | null): void {
    const before = this.#profiles.get(memberId);
    if (before !== undefined) {
      this.#count(-profileBytes(this.groupId, memberId, before));
      this.#subscriptions.remove(before.subscribedTopicNames);
      if (before.subscribedTopicRegex !== null) this.#patterns.remove([before.subscribedTopicRegex]);
      if (before.serverAssignor !== null) this.#assignors.remove([before.serverAssignor]);
      const { instanceId } = before;
      if (instanceId !== null && this.#staticMembers.get(instanceId) === memberId) this.#staticMembers.delete(instanceId);
    }
    if (profile === null) {
      this.#profiles.delete(memberId);
      return;
    }
    this.#profiles.set(memberId, profile);
    this.#count(profileBytes(this.groupId, memberId, profile));
    this.#subscriptions.add(profile.subscribedTopicNames);
    if (profile.subscribedTopicRegex !== null) this.#patterns.add([profile.subscribedTopicRegex]);
    if (profile.serverAssignor !== null) this.#assignors.add([profile.serverAssignor]);
    if (profile.instanceId !== null) this.#staticMembers.set(profile.instanceId, memberId);
  }

  replayMatches(pattern: string, topics: ReadonlySet<string> | null): void {
    this.#count(matchesBytes(pattern, topics) - matchesBytes(pattern, this.#matches.get(pattern)));
    if (topics === null) this.#matches.delete(pattern);
    else this.#matches.set(pattern, topics);
  }

  replayCurrent(memberId: string, current: CurrentAssignment | null): void {
    const before = this.#currents.get(memberId);
    this.#count(currentBytes(current) - currentBytes(before));
    this.#owners.replace(memberId, before, current ?? undefined);
    if (current === null) this.#currents.delete(memberId);
    else this.#currents.set(memberId, current);
  }

  replayTarget(memberId: string, target: PartitionMap | null): void {
    this.#count(targetBytes(target) - targetBytes(this.#targets.get(memberId)));
    if (target === null) this.#targets.delete(memberId);
    else this.#targets.set(memberId, target);
  }
}

/** The present owner of each partition: of what is assigned to a member, and what it has not revoked yet. */
class PartitionOwners {
  readonly #byTopic = new Map<TopicId, Map<number, string>>();

  ownerOf(topicId: TopicId, partition: number): string | null {
    return this.#byTopic.get(topicId)?.get(partition) ?? null;
  }

  replace(memberId: string, before: CurrentAssignment | undefined, now: CurrentAssignment | undefined): void {
    if (before !== undefined) for (const partitions of [before.assigned, before.pendingRevocation]) this.#free(memberId, partitions);
    if (now !== undefined) for (const partitions of [now.assigned, now.pendingRevocation]) this.#take(memberId, partitions);
  }

  #take(memberId: string, partitions: PartitionMap): void {
    for (const [topicId, numbers] of partitions) {
      const owners = this.#byTopic.get(topicId) ?? new Map<number, string>();
      this.#byTopic.set(topicId, owners);
      for (const number of numbers) owners.set(number, memberId);
    }
  }

  #free(memberId: string, partitions: PartitionMap): void {
    for (const [topicId, numbers] of partitions) {
      const owners = this.#byTopic.get(topicId);
      if (owners === undefined) continue;
      // another member may have it by now
      for (const number of numbers) if (owners.get(number) === memberId) owners.delete(number);
      if (owners.size === 0) this.#byTopic.delete(topicId);
    }
  }
}
