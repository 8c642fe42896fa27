import type { TopicId } from "../../../protocol/base/ids.ts";
import { array, struct } from "../../../protocol/schema/composites.ts";
import { type Message, message } from "../../../protocol/schema/message.ts";
import { int8, int32, int64, nullableString, string, uuid } from "../../../protocol/schema/primitives.ts";
import { MalformedFrame } from "../../../protocol/wire/reader.ts";
import { type PartitionMap, partitionMap, topicPartitions } from "../assignors/partition-map.ts";
import type { GroupRecord } from "../contract.ts";
import { readVersioned, versioned } from "../group-records.ts";
import type { CurrentAssignment, MemberProfile, MemberState } from "./consumer-group-member.ts";

/**
 * The records in which consumer groups are stored, as Kafka 3.9 writes them; those of expressions as Kafka 4 does. The version of the key
 * says which.
 */
export const keyVersions = {
  groupEpoch: 3,
  subscribedTopics: 4,
  member: 5,
  assignmentEpoch: 6,
  target: 7,
  current: 8,
  pattern: 16,
} as const;

function keyOf(name: string, version: number) {
  return { name, apiKey: -1, versions: [version, version], flexibleSince: null } as const;
}

function named(name: string) {
  return { name, apiKey: -1, versions: [0, 0], flexibleSince: 0 } as const;
}

const ofGroup = { groupId: string() };
const ofMember = { groupId: string(), memberId: string() };
const partitionLists = array(struct({ topicId: uuid(), partitions: array(int32()) }));

export const groupKeys = {
  groupEpoch: message(keyOf("ConsumerGroupMetadataKey", keyVersions.groupEpoch), ofGroup),
  subscribedTopics: message(keyOf("ConsumerGroupPartitionMetadataKey", keyVersions.subscribedTopics), ofGroup),
  assignmentEpoch: message(keyOf("ConsumerGroupTargetAssignmentMetadataKey", keyVersions.assignmentEpoch), ofGroup),
} as const;

export const memberKeys = {
  member: message(keyOf("ConsumerGroupMemberMetadataKey", keyVersions.member), ofMember),
  target: message(keyOf("ConsumerGroupTargetAssignmentMemberKey", keyVersions.target), ofMember),
  current: message(keyOf("ConsumerGroupCurrentMemberAssignmentKey", keyVersions.current), ofMember),
} as const;

export const patternKey = message(keyOf("ConsumerGroupRegularExpressionKey", keyVersions.pattern), {
  groupId: string(),
  regularExpression: string(),
});

const groupEpochValue = message(named("ConsumerGroupMetadataValue"), { epoch: int32() });
const assignmentEpochValue = message(named("ConsumerGroupTargetAssignmentMetadataValue"), { assignmentEpoch: int32() });

const subscribedTopicsValue = message(named("ConsumerGroupPartitionMetadataValue"), {
  topics: array(
    struct({
      topicId: uuid(),
      topicName: string(),
      numPartitions: int32(),
      /** Empty here: no assignor uses racks. */
      partitionMetadata: array(struct({ partition: int32(), racks: array(string()) })),
    }),
  ),
});

/** Tag 0 would hold the protocols of a classic member during a migration while running: never written here. */
const memberValue = message(named("ConsumerGroupMemberMetadataValue"), {
  instanceId: nullableString(),
  rackId: nullableString(),
  clientId: string(),
  clientHost: string(),
  subscribedTopicNames: array(string()),
  subscribedTopicRegex: nullableString(),
  rebalanceTimeoutMs: int32(),
  serverAssignor: nullableString(),
});

const targetValue = message(named("ConsumerGroupTargetAssignmentMemberValue"), { topicPartitions: partitionLists });

const currentValue = message(named("ConsumerGroupCurrentMemberAssignmentValue"), {
  memberEpoch: int32(),
  previousMemberEpoch: int32(),
  state: int8(),
  assignedPartitions: partitionLists,
  partitionsPendingRevocation: partitionLists,
});

const patternValue = message(named("ConsumerGroupRegularExpressionValue"), {
  topics: array(string()),
  /** Of the metadata that was used. Kafka counts versions there, we do not: always 0. */
  version: int64(),
  timestamp: int64(),
});

const stateNumbers = { stable: 0, unrevoked: 1, unreleased: 2 } as const satisfies Record<MemberState, number>;

/** A topic as it was when the group's epoch was last raised for it. */
export interface SubscribedTopic {
  readonly topicId: TopicId;
  readonly partitionCount: number;
}

/** By name; only topics that exist. */
export type SubscribedTopics = ReadonlyMap<string, SubscribedTopic>;

type GroupKey = keyof typeof groupKeys;
type MemberKey = keyof typeof memberKeys;

function groupRecord<T>(kind: GroupKey, groupId: string, of: Message<T>, value: T): GroupRecord {
  return { key: versioned(groupKeys[kind], { groupId }, keyVersions[kind]), value: versioned(of, value, 0) };
}

function memberRecord<T>(kind: MemberKey, groupId: string, memberId: string, of: Message<T>, value: T): GroupRecord {
  return { key: versioned(memberKeys[kind], { groupId, memberId }, keyVersions[kind]), value: versioned(of, value, 0) };
}

export function groupTombstone(kind: GroupKey, groupId: string): GroupRecord {
  return { key: versioned(groupKeys[kind], { groupId }, keyVersions[kind]), value: null };
}

export function memberTombstone(kind: MemberKey, groupId: string, memberId: string): GroupRecord {
  return { key: versioned(memberKeys[kind], { groupId, memberId }, keyVersions[kind]), value: null };
}

export function groupEpochRecord(groupId: string, epoch: number): GroupRecord {
  return groupRecord("groupEpoch", groupId, groupEpochValue, { epoch });
}

export function assignmentEpochRecord(groupId: string, assignmentEpoch: number): GroupRecord {
  return groupRecord("assignmentEpoch", groupId, assignmentEpochValue, { assignmentEpoch });
}

export function subscribedTopicsRecord(groupId: string, subscribed: SubscribedTopics): GroupRecord {
  const topics = [...subscribed].map(([topicName, { topicId, partitionCount }]) => ({
    topicId,
    topicName,
    numPartitions: partitionCount,
    partitionMetadata: [],
  }));
  return groupRecord("subscribedTopics", groupId, subscribedTopicsValue, { topics });
}

export function memberProfileRecord(groupId: string, memberId: string, profile: MemberProfile): GroupRecord {
  return memberRecord("member", groupId, memberId, memberValue, profile);
}

export function targetRecord(groupId: string, memberId: string, partitions: PartitionMap): GroupRecord {
  return memberRecord("target", groupId, memberId, targetValue, { topicPartitions: topicPartitions(partitions) });
}

export function currentRecord(groupId: string, memberId: string, current: CurrentAssignment): GroupRecord {
  return memberRecord("current", groupId, memberId, currentValue, {
    memberEpoch: current.epoch,
    previousMemberEpoch: current.previousEpoch,
    state: stateNumbers[current.state],
    assignedPartitions: topicPartitions(current.assigned),
    partitionsPendingRevocation: topicPartitions(current.pendingRevocation),
  });
}

/** Which topics an expression matches: so that a coordinator that takes over need not revoke them until it has matched them itself. */
export function patternRecord(groupId: string, pattern: string, topics: Iterable<string>, timestampMs: number): GroupRecord {
  const key = versioned(patternKey, { groupId, regularExpression: pattern }, keyVersions.pattern);
  return { key, value: versioned(patternValue, { topics: [...topics], version: 0, timestamp: timestampMs }, 0) };
}

export function patternTombstone(groupId: string, pattern: string): GroupRecord {
  return { key: versioned(patternKey, { groupId, regularExpression: pattern }, keyVersions.pattern), value: null };
}

// What follows reads values, and throws MalformedFrame.

export function readGroupEpoch(value: Buffer): number {
  return readVersioned(groupEpochValue, value).epoch;
}

export function readAssignmentEpoch(value: Buffer): number {
  return readVersioned(assignmentEpochValue, value).assignmentEpoch;
}

export function readSubscribedTopics(value: Buffer): SubscribedTopics {
  const { topics } = readVersioned(subscribedTopicsValue, value);
  return new Map(topics.map(({ topicName, topicId, numPartitions }) => [topicName, { topicId, partitionCount: numPartitions }]));
}

export function readMemberProfile(value: Buffer): MemberProfile {
  const profile = readVersioned(memberValue, value);
  // Kafka writes the empty expression for none
  return { ...profile, subscribedTopicRegex: profile.subscribedTopicRegex === "" ? null : profile.subscribedTopicRegex };
}

export function readPatternTopics(value: Buffer): ReadonlySet<string> {
  return new Set(readVersioned(patternValue, value).topics);
}

export function readTarget(value: Buffer): PartitionMap {
  return partitionMap(readVersioned(targetValue, value).topicPartitions);
}

export function readCurrent(value: Buffer): CurrentAssignment {
  const read = readVersioned(currentValue, value);
  const state = (Object.keys(stateNumbers) as MemberState[]).find((name) => stateNumbers[name] === read.state);
  if (state === undefined) throw new MalformedFrame(`a member in state ${read.state}`);
  return {
    epoch: read.memberEpoch,
    previousEpoch: read.previousMemberEpoch,
    state,
    assigned: partitionMap(read.assignedPartitions),
    pendingRevocation: partitionMap(read.partitionsPendingRevocation),
  };
}
