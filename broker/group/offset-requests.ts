import { type TopicId, zeroTopicId } from "../../protocol/base/ids.ts";
import type { KafkaError, KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import { answered, type Decision, type Now, type Transaction } from "../state-machine/contract.ts";
import type { StateMemory } from "../state-machine/state-memory.ts";
import type { Committer, Group, GroupRecord } from "./contract.ts";
import { offsetRecord, offsetTombstone } from "./group-records.ts";
import type { CommittedOffset, GroupOffsets, OffsetPlace } from "./offset-book.ts";
import { pendingBytes } from "./pending-offsets.ts";

export interface CommitRequest extends Committer {
  /** Of a commit that names its own retention; -1: the broker's. */
  readonly retentionTimeMs: number;
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly OffsetToCommit[];
  }[];
}

export interface OffsetToCommit {
  readonly partitionIndex: number;
  readonly committedOffset: number;
  readonly committedLeaderEpoch: number;
  /** Wall clock; -1: now. */
  readonly commitTimestamp: number;
  readonly committedMetadata: string | null;
}

export interface TopicErrors {
  readonly name: string;
  readonly partitions: readonly { readonly partitionIndex: number; readonly errorCode: KafkaErrorCode }[];
}

/** No log has a record there: larger offsets are read as this number, and the position would not be the one that was committed. */
const offsetsEnd = Number.MAX_SAFE_INTEGER;

export interface CommitRules {
  readonly metadataMaxBytes: number;
  idOf(topic: string): TopicId | null;
}

/** `group`: null when it does not exist yet. */
export function commitOffsets(
  groupId: string,
  group: Group | null,
  request: CommitRequest,
  rules: CommitRules,
  now: Now,
): Decision<readonly TopicErrors[]> {
  const refusal = commitRefusal(group, request, now);
  return refusal === null ? offsetRecords(groupId, request, rules, now) : answered(allTopics(request.topics, refusal));
}

/** A commit in the transaction of a producer, which ends with a marker of its own: see `PendingOffsets`. */
export interface TransactionalCommitRequest extends Omit<CommitRequest, "apiVersion" | "retentionTimeMs" | "isTransactional"> {
  readonly transaction: Transaction;
}

/** `memory`: where what the positions take until the transaction ends is counted; beyond its bound the client asks again later. */
export function commitInTransaction(
  groupId: string,
  group: Group | null,
  request: TransactionalCommitRequest,
  { memory, ...rules }: CommitRules & { readonly memory: StateMemory },
  now: Now,
): Decision<readonly TopicErrors[]> {
  const { topics, transaction } = request;
  const commit = { ...request, apiVersion: noApiVersion, retentionTimeMs: -1, isTransactional: true };
  const refusal = commitRefusal(group, commit, now);
  // producers know no member epochs
  if (refusal !== null) return answered(allTopics(topics, refusal === "STALE_MEMBER_EPOCH" ? "ILLEGAL_GENERATION" : refusal));
  const bytes = topics.reduce((sum, { name, partitions }) => {
    const place = { groupId, topic: name };
    return partitions.reduce((more, { committedMetadata }) => more + pendingBytes(place, committedMetadata ?? ""), sum);
  }, 0);
  if (!memory.hasRoomFor(bytes)) return answered(allTopics(topics, "COORDINATOR_NOT_AVAILABLE"));
  return { ...offsetRecords(groupId, commit, rules, now), transaction };
}

const noApiVersion = -1;

/** Without a group, only a client that is not a member may start to store offsets. */
function commitRefusal(group: Group | null, by: Committer, now: Now): KafkaError | null {
  if (group === null) return by.generationIdOrMemberEpoch < 0 ? null : "ILLEGAL_GENERATION";
  return group.admitOffsetCommit(by, now);
}

function offsetRecords(
  groupId: string,
  request: CommitRequest,
  { metadataMaxBytes, idOf }: CommitRules,
  now: Now,
): Decision<readonly TopicErrors[]> {
  const records: GroupRecord[] = [];
  const expireTimestamp = request.retentionTimeMs < 0 ? -1 : Math.min(now.wallMs + request.retentionTimeMs, Number.MAX_SAFE_INTEGER);
  const answer = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, committedOffset, committedLeaderEpoch, committedMetadata, ...partition }) => {
      const metadata = committedMetadata ?? "";
      if (committedOffset >= offsetsEnd) return { partitionIndex, errorCode: "INVALID_COMMIT_OFFSET_SIZE" as const };
      if (Buffer.byteLength(metadata) > metadataMaxBytes) return { partitionIndex, errorCode: "OFFSET_METADATA_TOO_LARGE" as const };
      const value = { offset: committedOffset, leaderEpoch: committedLeaderEpoch, metadata, topicId: idOf(name) ?? zeroTopicId };
      const commitTimestamp = partition.commitTimestamp < 0 ? now.wallMs : partition.commitTimestamp;
      records.push(offsetRecord(groupId, name, partitionIndex, { ...value, commitTimestamp, expireTimestamp }));
      return { partitionIndex, errorCode: "NONE" as const };
    }),
  }));
  return { records, answer, divisible: true };
}

export function allTopics(
  topics: readonly { readonly name: string; readonly partitions: readonly { readonly partitionIndex: number }[] }[],
  errorCode: KafkaErrorCode,
): TopicErrors[] {
  return topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  }));
}

export interface FetchedOffset {
  readonly partitionIndex: number;
  /** -1: none committed. */
  readonly committedOffset: number;
  readonly committedLeaderEpoch: number;
  readonly metadata: string;
  readonly errorCode: KafkaErrorCode;
}

export interface FetchedTopic {
  readonly name: string;
  readonly partitions: readonly FetchedOffset[];
}

export interface WantedTopic {
  readonly name: string;
  /** Each once. */
  readonly partitions: readonly number[];
}

export interface FetchRules {
  /** What was committed is a position in the topic that has this name. */
  isMeant(topic: string, committed: CommittedOffset): boolean;
  /** A transaction that is still open may change it, and the client wants none that may change like this. */
  isUnstable(topic: string, partition: number): boolean;
}

/** `wanted` null: everything that the group has. */
export function fetchOffsets(
  offsets: GroupOffsets,
  wanted: readonly WantedTopic[] | null,
  { isMeant, isUnstable }: FetchRules,
): FetchedTopic[] {
  const one = (name: string, partition: number, committed: CommittedOffset | undefined): FetchedOffset => {
    if (isUnstable(name, partition)) return { ...fetched(partition, undefined), errorCode: "UNSTABLE_OFFSET_COMMIT" };
    return fetched(partition, committed !== undefined && isMeant(name, committed) ? committed : undefined);
  };
  if (wanted !== null)
    return wanted.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((partition) => one(name, partition, offsets.get(name)?.get(partition))),
    }));
  const all = [...offsets].map(([name, partitions]) => ({
    name,
    partitions: [...partitions].flatMap(([partition, committed]) =>
      isMeant(name, committed) || isUnstable(name, partition) ? [one(name, partition, committed)] : [],
    ),
  }));
  return all.filter(({ partitions }) => partitions.length > 0);
}

function fetched(partitionIndex: number, committed: CommittedOffset | undefined): FetchedOffset {
  const { offset, leaderEpoch, metadata } = committed ?? { offset: -1, leaderEpoch: -1, metadata: "" };
  return { partitionIndex, committedOffset: offset, committedLeaderEpoch: leaderEpoch, metadata, errorCode: "NONE" };
}

export type OffsetsDeleted = { readonly error: KafkaError } | { readonly error: null; readonly topics: readonly TopicErrors[] };

/** `hasPending`: a transaction that is still open has committed a position there, which must not come back when it ends. */
export function deleteOffsets(
  group: Group | null,
  offsets: GroupOffsets,
  hasPending: (topic: string, partition: number) => boolean,
  topics: readonly { readonly name: string; readonly partitions: readonly { readonly partitionIndex: number }[] }[],
): Decision<OffsetsDeleted> {
  if (group === null) return answered({ error: "GROUP_ID_NOT_FOUND" });
  // of a group that is not a consumer group, it is unknown what it still needs
  if (!group.isEmpty && group.protocolType !== "consumer") return answered({ error: "NON_EMPTY_GROUP" });
  const records: GroupRecord[] = [];
  const answers = topics.map(({ name, partitions }) => {
    const errorCode = group.isSubscribedTo(name) ? "GROUP_SUBSCRIBED_TO_TOPIC" : "NONE";
    if (errorCode === "NONE")
      for (const { partitionIndex } of partitions)
        if (offsets.get(name)?.has(partitionIndex) || hasPending(name, partitionIndex))
          records.push(offsetTombstone(group.groupId, name, partitionIndex));
    return { name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode }) as const) };
  });
  return { records, answer: { error: null, topics: answers }, divisible: true };
}

export interface GroupDeletion {
  readonly errorCode: KafkaErrorCode;
  /** False: the group still exists, and so do some of its offsets. To be called again. */
  readonly isDone: boolean;
}

/**
 * Offsets first, so many at a time: if not all of it is appended, what is left is still a group that can be deleted. With them goes what is
 * pending, or the group would come back when a transaction ends.
 */
export function deleteGroup(
  group: Group | null,
  offsets: GroupOffsets,
  pending: Iterable<OffsetPlace>,
  offsetsMax: number,
): Decision<GroupDeletion> {
  if (group === null) return answered({ errorCode: "GROUP_ID_NOT_FOUND", isDone: true });
  if (!group.isEmpty) return answered({ errorCode: "NON_EMPTY_GROUP", isDone: true });
  const some = someOf(offsets, pending, offsetsMax + 1);
  const isDone = some.length <= offsetsMax;
  const records = some.slice(0, offsetsMax).map(([topic, partition]) => offsetTombstone(group.groupId, topic, partition));
  const answer: GroupDeletion = { errorCode: "NONE", isDone };
  return { records: isDone ? [...records, ...group.tombstones()] : records, answer, divisible: true };
}

function someOf(offsets: GroupOffsets, pending: Iterable<OffsetPlace>, max: number): (readonly [topic: string, partition: number])[] {
  const some: (readonly [string, number])[] = [];
  for (const [topic, partitions] of offsets)
    for (const partition of partitions.keys()) {
      if (some.length >= max) return some;
      some.push([topic, partition]);
    }
  for (const { topic, partition } of pending) {
    if (some.length >= max) return some;
    if (offsets.get(topic)?.has(partition) !== true) some.push([topic, partition]);
  }
  return some;
}

/** It was not used for the whole retention time. */
export function isExpired(group: Group, topic: string, committed: CommittedOffset, retentionMs: number, now: Now): boolean {
  const idleSinceMs = group.offsetIdleSinceMs(topic, committed.commitTimestampMs);
  if (idleSinceMs === null) return false;
  const expiresAtMs = committed.expireTimestampMs >= 0 ? committed.expireTimestampMs : idleSinceMs + retentionMs;
  return now.wallMs >= expiresAtMs;
}
