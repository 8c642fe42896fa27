import { partitionKey, type TopicId, type TopicPartition, zeroTopicId } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { commitByIdsVersion, type OffsetCommitRequest, type OffsetCommitResponse } from "../../protocol/messages/offset-commit.ts";
import type { OffsetFetchRequest, OffsetFetchResponse } from "../../protocol/messages/offset-fetch.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import type { CoordinatorLink } from "../coordinator/coordinator-link.ts";
import type { GroupIdentity } from "./group-membership.ts";
import { byTopic } from "./partition-assignor.ts";

/** A position of a group in a partition. */
export interface OffsetToCommit extends TopicPartition {
  /** Of the next record to be handled. */
  readonly offset: number;
  /** Of the record before it, as far as known: lets the next reader notice a truncated log (KIP-320). */
  readonly leaderEpoch?: number;
  /** Kept with the offset, for human readers. */
  readonly metadata?: string;
  /**
   * Of the topic that the offset belongs to, as far as known: it is not committed for another topic that was created since under the same
   * name.
   */
  readonly topicId?: TopicId;
}

export interface CommittedOffset extends TopicPartition {
  /** -1: none. */
  readonly offset: number;
  /** -1: not known. */
  readonly leaderEpoch: number;
  readonly metadata: string | null;
}

/** Topics by name, up to this version. */
export const commitByNameVersionMax = commitByIdsVersion - 1;

/** For either kind of version: a caller that sends it by ids has to know them all. */
export function offsetCommitOf(groupId: string, by: GroupIdentity, offsets: readonly OffsetToCommit[]): OffsetCommitRequest {
  return {
    groupId,
    generationIdOrMemberEpoch: by.generation,
    memberId: by.memberId,
    groupInstanceId: by.groupInstanceId,
    retentionTimeMs: -1,
    topics: [...Map.groupBy(offsets, topicKey).values()].map((ofTopic) => ({
      name: ofTopic[0]!.topic,
      topicId: ofTopic[0]!.topicId ?? zeroTopicId,
      partitions: ofTopic.map(({ partition, offset, leaderEpoch = -1, metadata = "" }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: leaderEpoch,
        commitTimestamp: -1,
        committedMetadata: metadata,
      })),
    })),
  };
}

function topicKey({ topic, topicId = zeroTopicId }: OffsetToCommit): string {
  return `${topicId} ${topic}`;
}

/** One attempt; throws for the first partition that was refused. */
export async function commitOffsets(
  link: CoordinatorLink,
  groupId: string,
  by: GroupIdentity,
  offsets: readonly OffsetToCommit[],
): Promise<void> {
  await link.request(apis.offsetCommit, () => offsetCommitOf(groupId, by, offsets), {
    errorOf: ({ topics }) => firstError(topics, "NONE"),
    versionMax: commitByNameVersionMax,
  });
}

/** The coordinator accepts topics by name only. */
class NamesOnly extends Error {
  override readonly name = "NamesOnly";
}

/**
 * As `commitOffsets`, by the topics' ids, which must be known: so what is committed cannot be taken for a position in another topic of the
 * same name. Returns those whose topic the coordinator does not know;
 * null: it knows no topic by its id, and nothing was sent.
 */
export async function commitByIds(
  link: CoordinatorLink,
  groupId: string,
  by: GroupIdentity,
  offsets: readonly OffsetToCommit[],
): Promise<readonly OffsetToCommit[] | null> {
  const build = (version: number) => {
    if (version < commitByIdsVersion) throw new NamesOnly("the coordinator takes topics by name only");
    return offsetCommitOf(groupId, by, offsets);
  };
  try {
    const errorOf = ({ topics }: OffsetCommitResponse) => firstError(topics, "UNKNOWN_TOPIC_ID");
    const { topics } = await link.request(apis.offsetCommit, build, { errorOf });
    const unknown = new Set(topics.filter((topic) => firstError([topic], "NONE") !== "NONE").map(({ topicId }) => topicId));
    return offsets.filter(({ topicId }) => topicId !== undefined && unknown.has(topicId));
  } catch (error) {
    if (error instanceof NamesOnly) return null;
    throw error;
  }
}

function firstError(topics: OffsetCommitResponse["topics"], besides: KafkaErrorCode): KafkaErrorCode {
  const codes = topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
  return codes.find((code) => code !== "NONE" && code !== besides) ?? "NONE";
}

/** `requireStable`: as long as a transaction may still change a position, there is none. */
export function offsetFetchOf(
  groupId: string,
  partitions: readonly TopicPartition[] | null,
  requireStable = true,
): (version: number) => OffsetFetchRequest {
  const topics =
    partitions === null ? null : byTopic(partitions).map(({ topic, partitions: indexes }) => ({ name: topic, partitionIndexes: indexes }));
  // with a member id the coordinator would check it; what is fetched here is fetched again if the assignment changes
  return () => ({ groupId, topics, groups: [{ groupId, memberId: null, memberEpoch: -1, topics }], requireStable });
}

/** Of the group, or of the first partition that has one. */
export function offsetFetchError({ errorCode, groups, topics }: OffsetFetchResponse): KafkaErrorCode {
  if (errorCode !== "NONE") return errorCode;
  const [group] = groups;
  if (group !== undefined && group.errorCode !== "NONE") return group.errorCode;
  return (
    (group?.topics ?? topics).flatMap(({ partitions }) => partitions.map((each) => each.errorCode)).find((code) => code !== "NONE") ??
    "NONE"
  );
}

export function fetchedOffsets(answer: OffsetFetchResponse): CommittedOffset[] {
  return (answer.groups[0]?.topics ?? answer.topics).flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, committedOffset, committedLeaderEpoch, metadata }) => ({
      topic: name,
      partition: partitionIndex,
      offset: committedOffset,
      leaderEpoch: committedLeaderEpoch,
      metadata,
    })),
  );
}

/**
 * What is committed for these partitions, in order; with null for all that the group has. Retried until `deadlineMs` (monotonic) or the
 * signal: with `requireStable` also while a transaction that is not ended may change them.
 */
export async function fetchCommitted(
  link: CoordinatorLink,
  groupId: string,
  partitions: readonly TopicPartition[] | null,
  deadlineMs: number,
  signal?: AbortSignal,
  requireStable = true,
): Promise<readonly CommittedOffset[]> {
  const options = { errorOf: offsetFetchError, ...(signal === undefined ? {} : { signal }) };
  const found = fetchedOffsets(
    await link.retrying(apis.offsetFetch, offsetFetchOf(groupId, partitions, requireStable), options, deadlineMs),
  );
  if (partitions === null) return found;
  const byKey = new Map(found.map((each) => [partitionKey(each.topic, each.partition), each]));
  return partitions.map(({ topic, partition }) => {
    const committed = byKey.get(partitionKey(topic, partition));
    if (committed === undefined)
      throw new KafkaProtocolError("UNKNOWN_SERVER_ERROR", `the committed offset of ${topic}-${partition}`, "the answer leaves it out");
    return committed;
  });
}
