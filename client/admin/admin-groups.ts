import { type BrokerId, partitionKey, type TopicPartition, zeroTopicId } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import { apis } from "../../protocol/messages/apis.ts";
import type { ConsumerGroupDescribeResponse } from "../../protocol/messages/consumer-group-describe.ts";
import { consumerProtocolType, decodeAssignment } from "../../protocol/messages/consumer-protocol.ts";
import type { DescribeGroupsResponse } from "../../protocol/messages/describe-groups.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";
import { KafkaProtocolError, UnsupportedApi } from "../base/errors.ts";
import { groupCoordinator } from "../coordinator/coordinated.ts";
import { CoordinatorLink } from "../coordinator/coordinator-link.ts";
import { type CoordinatorTopics, topicsAt } from "../group/coordinator-topics.ts";
import { noMember } from "../group/group-membership.ts";
import {
  type CommittedOffset,
  commitByNameVersionMax,
  fetchCommitted,
  type OffsetToCommit,
  offsetCommitOf,
} from "../group/group-offsets.ts";
import { byTopic, flat } from "../group/partition-assignor.ts";
import type { Cluster } from "../metadata/cluster.ts";
import type { ItemResult } from "./admin-types.ts";

export type GroupType = "classic" | "consumer" | "unknown";

export interface GroupListing {
  readonly groupId: string;
  /** `consumer` for consumers, whatever the group's type; empty for a group that only keeps offsets. */
  readonly protocolType: string;
  /** Empty, PreparingRebalance, CompletingRebalance, Stable, Assigning, Reconciling or Dead; empty text from brokers too old to say. */
  readonly state: string;
  readonly type: GroupType;
}

export interface GroupMemberDescription {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly host: string;
  readonly partitions: readonly TopicPartition[];
}

/** A group between two assignments. */
export interface GroupRebalance {
  /** Milliseconds since 1970; null: not told. Of classic groups only Ottla's brokers tell it, of others nobody does. */
  readonly sinceMs: number | null;
  /** Ids of members that are waited for; null: not told. */
  readonly awaited: readonly string[] | null;
  /** Clients that were given a member id and have not joined yet. */
  readonly newcomers: number;
}

export interface GroupDescription extends GroupListing {
  /** The assignor's name; empty while it is not decided. */
  readonly assignor: string;
  readonly members: readonly GroupMemberDescription[];
  /** Null: the members have what they are to have. */
  readonly rebalance: GroupRebalance | null;
}

/** Lists every broker's groups. Rejects when one broker does not answer: a list that lacks groups would look complete. */
export async function listGroups(cluster: Cluster, deadlineMs: number): Promise<readonly GroupListing[]> {
  await cluster.retrying(deadlineMs, () => cluster.metadata.refresh());
  const perBroker = (broker: BrokerId) =>
    cluster.retrying(deadlineMs, async () => {
      if (!cluster.metadata.snapshot.brokers.has(broker)) return []; // stopped since; its groups have moved
      const connection = await cluster.pool.toBroker(broker);
      const answer = await connection.request(apis.listGroups, () => ({ statesFilter: [], typesFilter: [] }));
      if (answer.errorCode !== "NONE") throw new KafkaProtocolError(answer.errorCode, `groups of broker ${broker}`);
      return answer.groups;
    });
  const listed = (await Promise.all([...cluster.metadata.snapshot.brokers.keys()].map(perBroker))).flat();
  const unique = new Map(listed.map((group) => [group.groupId, group]));
  return [...unique.values()]
    .map(({ groupId, protocolType, groupState, groupType }) => ({ groupId, protocolType, state: groupState, type: typeOf(groupType) }))
    .toSorted((a, b) => (a.groupId < b.groupId ? -1 : 1));
}

function typeOf(text: string): GroupType {
  const type = text.toLowerCase();
  return type === "classic" || type === "consumer" ? type : "unknown";
}

export async function describeGroup(cluster: Cluster, groupId: string, deadlineMs: number): Promise<ItemResult<GroupDescription>> {
  const link = new CoordinatorLink(cluster, groupCoordinator(groupId));
  return asResult(
    { groupId },
    async () => (await describeIncremental(link, groupId, deadlineMs)) ?? describeClassic(link, groupId, deadlineMs),
  );
}

/** Kafka with ZooKeeper offers the request, and then does not know it. */
const notIncremental: ReadonlySet<string> = new Set(["GROUP_ID_NOT_FOUND", "UNSUPPORTED_VERSION"]);

/** Null: not a group of the new protocol, as far as the broker knows. */
async function describeIncremental(link: CoordinatorLink, groupId: string, deadlineMs: number): Promise<GroupDescription | null> {
  const build = () => ({ groupIds: [groupId], includeAuthorizedOperations: false });
  const errorOf = ({ groups }: ConsumerGroupDescribeResponse) => groups[0]?.errorCode ?? "UNKNOWN_SERVER_ERROR";
  try {
    const [group] = (await link.retrying(apis.consumerGroupDescribe, build, { errorOf }, deadlineMs)).groups;
    if (group === undefined) return null;
    return {
      groupId,
      protocolType: consumerProtocolType,
      state: group.groupState,
      type: "consumer",
      assignor: group.assignorName,
      members: group.members.map(({ memberId, instanceId, clientId, clientHost, assignment }) => ({
        memberId,
        groupInstanceId: instanceId,
        clientId,
        host: clientHost,
        partitions: flat(assignment.topicPartitions.map(({ topicName, partitions }) => ({ topic: topicName, partitions }))),
      })),
      rebalance: incrementalRebalance(group),
    };
  } catch (error) {
    if (error instanceof UnsupportedApi || (error instanceof KafkaProtocolError && notIncremental.has(error.code))) return null;
    throw error;
  }
}

/** Who has not taken over its part of the latest assignment yet, holds up those who are to get what it has. */
function incrementalRebalance({
  groupState,
  assignmentEpoch,
  members,
}: ConsumerGroupDescribeResponse["groups"][number]): GroupRebalance | null {
  if (groupState !== "Assigning" && groupState !== "Reconciling") return null;
  const awaited = members.filter(({ memberEpoch }) => memberEpoch < assignmentEpoch).map(({ memberId }) => memberId);
  return { sinceMs: null, awaited, newcomers: 0 };
}

async function describeClassic(link: CoordinatorLink, groupId: string, deadlineMs: number): Promise<GroupDescription> {
  const build = () => ({ groups: [groupId], includeAuthorizedOperations: false, includeRebalance: true });
  const errorOf = ({ groups }: DescribeGroupsResponse) => groups[0]?.errorCode ?? "UNKNOWN_SERVER_ERROR";
  const [group] = (await link.retrying(apis.describeGroups, build, { errorOf }, deadlineMs)).groups;
  // an unknown group is described as dead
  if (group === undefined || group.groupState === "Dead") throw new KafkaProtocolError("GROUP_ID_NOT_FOUND", `group ${groupId}`);
  return {
    groupId,
    protocolType: group.protocolType,
    state: group.groupState,
    type: "classic",
    assignor: group.protocolData,
    members: group.members.map(({ memberId, groupInstanceId, clientId, clientHost, memberAssignment }) => ({
      memberId,
      groupInstanceId,
      clientId,
      host: clientHost,
      partitions: assignedPartitions(memberAssignment),
    })),
    rebalance: classicRebalance(group),
  };
}

function classicRebalance({
  groupState,
  members,
  rebalanceSinceMs,
  newcomers,
}: DescribeGroupsResponse["groups"][number]): GroupRebalance | null {
  if (groupState !== "PreparingRebalance" && groupState !== "CompletingRebalance") return null;
  if (rebalanceSinceMs < 0) return { sinceMs: null, awaited: null, newcomers: 0 };
  const awaited = members.filter(({ isAwaited }) => isAwaited).map(({ memberId }) => memberId);
  return { sinceMs: rebalanceSinceMs, awaited, newcomers };
}

/** Groups of other protocol types have assignments of their own format: those read as empty. */
function assignedPartitions(bytes: Buffer): TopicPartition[] {
  try {
    return flat(decodeAssignment(bytes).assignedPartitions);
  } catch (error) {
    if (error instanceof MalformedFrame) return [];
    throw error;
  }
}

export async function deleteGroup(
  cluster: Cluster,
  groupId: string,
  deadlineMs: number,
): Promise<ItemResult<{ readonly groupId: string }>> {
  const errorOf = ({ results }: { readonly results: readonly { readonly errorCode: KafkaErrorCode }[] }) =>
    results[0]?.errorCode ?? "UNKNOWN_SERVER_ERROR";
  return asResult({ groupId }, async () => {
    await new CoordinatorLink(cluster, groupCoordinator(groupId)).retrying(
      apis.deleteGroups,
      () => ({ groupsNames: [groupId] }),
      { errorOf },
      deadlineMs,
    );
    return { groupId };
  });
}

/** Null: every partition that the group has a position in. */
export async function listGroupOffsets(
  cluster: Cluster,
  groupId: string,
  partitions: readonly TopicPartition[] | null,
  deadlineMs: number,
): Promise<readonly CommittedOffset[]> {
  return fetchCommitted(new CoordinatorLink(cluster, groupCoordinator(groupId)), groupId, partitions, deadlineMs, undefined, false);
}

interface PartitionAnswer {
  readonly partitionIndex: number;
  readonly errorCode: KafkaErrorCode;
}

type TopicAnswers = readonly { readonly name: string; readonly partitions: readonly PartitionAnswer[] }[];

/**
 * Sets positions from outside: possible only while the group has no members. UNKNOWN_TOPIC_ID: the topic with the given id no longer
 * exists.
 */
export async function alterGroupOffsets(
  cluster: Cluster,
  groupId: string,
  offsets: readonly OffsetToCommit[],
  deadlineMs: number,
): Promise<readonly ItemResult<TopicPartition>[]> {
  const link = new CoordinatorLink(cluster, groupCoordinator(groupId));
  const withIds = offsets.filter(({ topicId = zeroTopicId }) => topicId !== zeroTopicId);
  const atCoordinator = await topicsAt(
    link,
    withIds.map(({ topic }) => topic),
    { deadlineMs },
  );
  const [meant, others] = [true, false].map((isWanted) => offsets.filter((each) => isMeant(each, atCoordinator) === isWanted));
  const build = () => offsetCommitOf(groupId, noMember, meant ?? []);
  const errorOf = ({ topics }: { readonly topics: TopicAnswers }) => momentary(topics);
  const options = { errorOf, versionMax: commitByNameVersionMax };
  const answered = meant?.length === 0 ? [] : (await link.retrying(apis.offsetCommit, build, options, deadlineMs)).topics;
  const refused = (others ?? []).map(({ topic, partition }) => ({
    name: topic,
    partitions: [{ partitionIndex: partition, errorCode: "UNKNOWN_TOPIC_ID" as const }],
  }));
  return perPartition(offsets, [...answered, ...refused], groupId, (code) =>
    // what a coordinator answers to a non-member while the group has members
    code === "UNKNOWN_MEMBER_ID" || code === "ILLEGAL_GENERATION" || code === "STALE_MEMBER_EPOCH" ? "NON_EMPTY_GROUP" : code,
  );
}

/** The coordinator takes the name for the topic that the offset belongs to, as far as both are known. */
function isMeant({ topic, topicId = zeroTopicId }: OffsetToCommit, atCoordinator: CoordinatorTopics): boolean {
  const there = atCoordinator.get(topic);
  return topicId === zeroTopicId || there === undefined || there === zeroTopicId || there === topicId;
}

export async function deleteGroupOffsets(
  cluster: Cluster,
  groupId: string,
  partitions: readonly TopicPartition[],
  deadlineMs: number,
): Promise<readonly ItemResult<TopicPartition>[]> {
  const link = new CoordinatorLink(cluster, groupCoordinator(groupId));
  const topics = byTopic(partitions).map(({ topic, partitions: indexes }) => ({
    name: topic,
    partitions: indexes.map((partitionIndex) => ({ partitionIndex })),
  }));
  const answer = await link.retrying(apis.offsetDelete, () => ({ groupId, topics }), { errorOf: ({ errorCode }) => errorCode }, deadlineMs);
  return perPartition(partitions, answer.topics, groupId, (code) => code);
}

const coordinatorErrors: ReadonlySet<KafkaErrorCode> = new Set<KafkaErrorCode>([
  "NOT_COORDINATOR",
  "COORDINATOR_NOT_AVAILABLE",
  "COORDINATOR_LOAD_IN_PROGRESS",
  "REQUEST_TIMED_OUT",
]);

/** A temporary error stands for the whole answer; any other is for its partition only. */
function momentary(topics: TopicAnswers): KafkaErrorCode {
  return (
    topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode)).find((code) => coordinatorErrors.has(code)) ?? "NONE"
  );
}

function perPartition(
  asked: readonly TopicPartition[],
  answers: TopicAnswers,
  groupId: string,
  rename: (code: KafkaErrorCode) => KafkaErrorCode,
): ItemResult<TopicPartition>[] {
  const codes = new Map(
    answers.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, errorCode }) => [partitionKey(name, partitionIndex), errorCode] as const),
    ),
  );
  return asked.map(({ topic, partition }) => {
    const code = rename(codes.get(partitionKey(topic, partition)) ?? "UNKNOWN_SERVER_ERROR");
    if (code === "NONE") return { topic, partition, error: null };
    return { topic, partition, error: new KafkaProtocolError(code, `group ${groupId}, ${topic}-${partition}`) };
  });
}

async function asResult<T extends { readonly groupId: string }>(
  which: { readonly groupId: string },
  work: () => Promise<T>,
): Promise<ItemResult<T>> {
  try {
    return { ...(await work()), error: null };
  } catch (error) {
    if (!(error instanceof KafkaProtocolError)) throw error;
    return { ...(which as Partial<T>), error };
  }
}
