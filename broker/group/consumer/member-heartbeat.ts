import { invariant } from "../../../protocol/base/invariant.ts";
import type { ConsumerGroupHeartbeatRequest } from "../../../protocol/messages/consumer-group-heartbeat.ts";
import { type PartitionMap, partitionMap, samePartitions } from "../assignors/partition-map.ts";
import type { Assignor } from "../assignors/server-assignor.ts";
import type { GroupRecord, TopicsView } from "../contract.ts";
import { type PatternFault, shortened, type TopicPattern } from "../patterns/topic-pattern.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import {
  type CurrentAssignment,
  joining,
  leftForNow,
  type MemberProfile,
  sameProfile,
  sameSubscription,
  unassigned,
  unknownProfile,
} from "./consumer-group-member.ts";
import {
  assignmentEpochRecord,
  currentRecord,
  groupEpochRecord,
  memberProfileRecord,
  memberTombstone,
  patternTombstone,
  subscribedTopicsRecord,
  targetRecord,
} from "./consumer-group-records.ts";
import { epochRefusal, type Refusal, refusal } from "./heartbeat-rules.ts";
import { currentBytes, profileBytes, subscribedBytes, targetBytes } from "./member-bytes.ts";
import { reconcile, type Target } from "./reconcile.ts";
import { droppedPattern, existingTopics, sameSubscribedTopics, subscribedNames } from "./subscribed-topics.ts";
import { type ChangedMember, preferredAssignor, targetAssignment } from "./target-assignment.ts";

/** Each is matched with every topic, and kept compiled. Members of a group usually have the same one. */
const patternsMax = 50;
/** For an expression that is refused. */
const quotedMax = 100;

/** What a heartbeat is checked against, besides the group. */
export interface HeartbeatInputs {
  readonly clientId: string;
  readonly clientHost: string;
  /** For a member that joins without an id. */
  readonly newMemberId: string;
  readonly topics: TopicsView;
  /** Topics may have changed since this group was last updated. */
  readonly topicsMayDiffer: boolean;
  readonly assignors: readonly Assignor[];
  readonly membersMax: number;
  /** Null: not now, too many expressions were compiled just before. */
  readonly compile: (pattern: string) => TopicPattern | PatternFault | null;
}

/** An accepted heartbeat: the resulting member and group. */
export interface AcceptedHeartbeat {
  readonly error: null;
  readonly records: readonly GroupRecord[];
  readonly memberId: string;
  readonly profile: MemberProfile;
  readonly before: CurrentAssignment;
  readonly current: CurrentAssignment;
  /** The member with another id whose place this one took; null: none. */
  readonly replaced: string | null;
  /**
   * How much more memory the group takes, for a member that is new or reports more about itself than before; 0: it is neither, and is
   * accepted however little memory is left.
   */
  readonly askedBytes: number;
  /** The member is to be sent its assignment: it asks for it, or the assignment differs from the last one sent. */
  readonly tellsAssignment: boolean;
}

/** Of a member that joins or stays, in KIP-848's three steps: the member, the group's target, the member's reconciliation. */
export function heartbeat(
  group: ConsumerGroup,
  request: ConsumerGroupHeartbeatRequest,
  inputs: HeartbeatInputs,
): AcceptedHeartbeat | Refusal {
  const { groupId } = group;
  const owned = request.topicPartitions === null ? null : partitionMap(request.topicPartitions);
  const found = findMember(group, request, owned, inputs);
  if ("error" in found) return found;
  const { memberId, before, replaced } = found;
  const changed: ChangedMember = {
    memberId,
    before: found.profile,
    now: updatedProfile(found.profile, request, inputs),
    inPlaceOf: replaced ?? memberId,
  };
  const fault = patternFault(group, changed, inputs);
  if (fault !== null) return fault;

  const records: GroupRecord[] = [];
  const saidBytes = moreSaid(group, changed);
  let moreBytes = saidBytes;
  if (replaced !== null) records.push(...removal(groupId, replaced));
  if (replaced !== null || !sameProfile(changed.before, changed.now)) records.push(memberProfileRecord(groupId, memberId, changed.now));
  const dropped = droppedPattern(group, changed.before, changed.now);
  if (dropped !== null) records.push(patternTombstone(groupId, dropped));
  const { epoch: groupEpoch, records: epochRecords, subscribed } = nextGroupEpoch(group, changed, inputs);
  records.push(...epochRecords);

  let target: Target = { epoch: group.assignmentEpoch, partitions: group.target(changed.inPlaceOf) };
  if (groupEpoch > group.assignmentEpoch) {
    const targets = targetAssignment(group, changed, subscribed, preferredAssignor(group, changed, inputs.assignors));
    for (const [id, partitions] of targets) {
      if (group.hasTarget(id) && samePartitions(group.target(id), partitions)) continue;
      moreBytes += targetBytes(partitions) - targetBytes(group.target(id));
      records.push(targetRecord(groupId, id, partitions));
    }
    records.push(assignmentEpochRecord(groupId, groupEpoch));
    const own = targets.get(memberId);
    invariant(own !== undefined, "every member has a target");
    target = { epoch: groupEpoch, partitions: own };
  } else if (replaced !== null) {
    records.push(targetRecord(groupId, memberId, target.partitions));
  }

  const current = reconcile(before, target, owned, (topicId, partition) => {
    const owner = group.ownerOf(topicId, partition);
    return owner === null || owner === changed.inPlaceOf;
  });
  if (current !== before) records.push(currentRecord(groupId, memberId, current));
  moreBytes += subscribedBytes(subscribed) - subscribedBytes(group.subscribedTopics) + currentBytes(current) - currentBytes(before);
  const askedBytes = saidBytes > 0 ? moreBytes : 0;
  const tellsAssignment = owned !== null || request.memberEpoch === joining || !samePartitions(before.assigned, current.assigned);
  return { error: null, records, memberId, profile: changed.now, before, current, replaced, askedBytes, tellsAssignment };
}

/** Additional bytes that a member reports about itself, compared to what it, or the member whose place it takes, has reported so far. */
function moreSaid({ groupId, members }: ConsumerGroup, { memberId, inPlaceOf, now }: ChangedMember): number {
  const before = members.get(inPlaceOf);
  return profileBytes(groupId, memberId, now) - (before === undefined ? 0 : profileBytes(groupId, inPlaceOf, before));
}

interface FoundMember {
  readonly memberId: string;
  readonly profile: MemberProfile;
  readonly before: CurrentAssignment;
  readonly replaced: string | null;
}

function findMember(
  group: ConsumerGroup,
  request: ConsumerGroupHeartbeatRequest,
  owned: PartitionMap | null,
  { newMemberId, membersMax }: HeartbeatInputs,
): FoundMember | Refusal {
  const { instanceId, memberEpoch } = request;
  const isJoining = memberEpoch === joining;
  const memberId = request.memberId === "" ? newMemberId : request.memberId;
  const holder = instanceId === null ? null : group.staticMember(instanceId);
  if (instanceId !== null) {
    const refused = isJoining ? unreleased(group, holder, memberId, instanceId) : instanceRefusal(holder, memberId, instanceId);
    if (refused !== null) return refused;
    if (isJoining && holder !== null) {
      const { assigned } = group.current(holder);
      const profile = group.members.get(holder) ?? unknownProfile;
      if (holder !== memberId && group.members.has(memberId))
        return refusal(
          "UNRELEASED_INSTANCE_ID",
          `Member ${memberId} cannot take over instance id ${instanceId}: it is in the group already.`,
        );
      return { memberId, profile, before: { ...unassigned, assigned }, replaced: holder === memberId ? null : holder };
    }
  }
  const profile = group.members.get(memberId);
  if (profile !== undefined) {
    const current = group.current(memberId);
    const refused = epochRefusal(current, memberEpoch, owned);
    return refused ?? { memberId, profile, before: current, replaced: null };
  }
  if (!isJoining) return unknownMember(group.groupId, memberId);
  if (group.members.size >= membersMax)
    return refusal("GROUP_MAX_SIZE_REACHED", `The consumer group has reached its maximum capacity of ${membersMax} members.`);
  return { memberId, profile: unknownProfile, before: unassigned, replaced: null };
}

function unreleased(group: ConsumerGroup, holder: string | null, memberId: string, instanceId: string): Refusal | null {
  if (holder === null || group.current(holder).epoch === leftForNow) return null;
  return refusal(
    "UNRELEASED_INSTANCE_ID",
    `Static member ${memberId} with instance id ${instanceId} cannot join the group because the instance id is owned by ${holder} member.`,
  );
}

export function unknownMember(groupId: string, memberId: string): Refusal {
  return refusal("UNKNOWN_MEMBER_ID", `Member ${memberId} is not a member of group ${groupId}.`);
}

/** For a request of a member that claims the instance id. */
export function instanceRefusal(holder: string | null, memberId: string, instanceId: string): Refusal | null {
  if (holder === null) return refusal("UNKNOWN_MEMBER_ID", `Instance id ${instanceId} is unknown.`);
  if (holder === memberId) return null;
  return refusal("FENCED_INSTANCE_ID", `Static member ${memberId} with instance id ${instanceId} was fenced by member ${holder}.`);
}

function updatedProfile(
  before: MemberProfile,
  { instanceId, rackId, rebalanceTimeoutMs, subscribedTopicNames, subscribedTopicRegex, serverAssignor }: ConsumerGroupHeartbeatRequest,
  { clientId, clientHost }: HeartbeatInputs,
): MemberProfile {
  return {
    instanceId: instanceId ?? before.instanceId,
    rackId: rackId ?? before.rackId,
    clientId,
    clientHost,
    subscribedTopicNames: subscribedTopicNames === null ? before.subscribedTopicNames : [...new Set(subscribedTopicNames)],
    // the empty one stands for none
    subscribedTopicRegex: subscribedTopicRegex === null ? before.subscribedTopicRegex : subscribedTopicRegex || null,
    rebalanceTimeoutMs: rebalanceTimeoutMs === -1 ? before.rebalanceTimeoutMs : rebalanceTimeoutMs,
    serverAssignor: serverAssignor ?? before.serverAssignor,
  };
}

/** The group's epoch rises when a member's subscription changes, or one of the topics does. */
function nextGroupEpoch(group: ConsumerGroup, { before, now }: ChangedMember, { topics, topicsMayDiffer }: HeartbeatInputs) {
  const { groupId, groupEpoch } = group;
  const isResubscribed = !sameSubscription(before, now);
  let subscribed = group.subscribedTopics;
  // a broker that knows of no topic at all has not received the metadata yet: that is no reason to revoke partitions
  if ((isResubscribed || topicsMayDiffer) && topics.topics.size > 0)
    subscribed = existingTopics(subscribedNames(group, before, now), topics);
  const records: GroupRecord[] = [];
  const differ = !sameSubscribedTopics(subscribed, group.subscribedTopics);
  if (differ) records.push(subscribedTopicsRecord(groupId, subscribed));
  if (!isResubscribed && !differ) return { epoch: groupEpoch, records, subscribed };
  const epoch = group.nextEpoch;
  records.push(groupEpochRecord(groupId, epoch));
  return { epoch, records, subscribed };
}

/** An expression is compiled only when it is new: here so that it can be refused, later so that it can be matched (see PatternWatch). */
function patternFault(
  { patterns }: ConsumerGroup,
  { before, now }: ChangedMember,
  { compile }: Pick<HeartbeatInputs, "compile">,
): Refusal | null {
  const pattern = now.subscribedTopicRegex;
  if (pattern === null || pattern === before.subscribedTopicRegex || patterns.count(pattern) > 0) return null;
  if (patterns.size >= patternsMax)
    return refusal(
      "INVALID_REGULAR_EXPRESSION",
      `The members of a group subscribe by ${patternsMax} different regular expressions at most.`,
    );
  const compiled = compile(pattern);
  // clients retry after a while
  if (compiled === null)
    return refusal("COORDINATOR_LOAD_IN_PROGRESS", "The coordinator has many other new regular expressions to compile: ask again.");
  if (!("fault" in compiled)) return null;
  return refusal(
    "INVALID_REGULAR_EXPRESSION",
    `SubscribedTopicRegex \`${shortened(pattern, quotedMax)}\` is not a valid regular expression: ${compiled.fault}.`,
  );
}

function removal(groupId: string, memberId: string): GroupRecord[] {
  return (["current", "target", "member"] as const).map((kind) => memberTombstone(kind, groupId, memberId));
}

/** The member is removed: its partitions are free, and the group needs a new target. */
export function removeMember(group: ConsumerGroup, memberId: string, topics: TopicsView): GroupRecord[] {
  const { groupId } = group;
  const records = removal(groupId, memberId);
  const profile = group.members.get(memberId) ?? null;
  const dropped = droppedPattern(group, profile, null);
  if (dropped !== null) records.push(patternTombstone(groupId, dropped));
  const names = subscribedNames(group, profile, null);
  const subscribed = topics.topics.size > 0 ? existingTopics(names, topics) : group.subscribedTopics;
  if (!sameSubscribedTopics(subscribed, group.subscribedTopics)) records.push(subscribedTopicsRecord(groupId, subscribed));
  records.push(groupEpochRecord(groupId, group.nextEpoch));
  return records;
}
