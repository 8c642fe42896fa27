import type { TopicId } from "../../protocol/base/ids.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { KafkaError, KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { Reader } from "../../protocol/wire/reader.ts";
import type { Ran, Settlement, Ticket } from "./ticket.ts";

/**
 * How the group coordinator works. One *shard* per partition of `__consumer_offsets` that this broker leads. A shard runs one operation at
 * a time, each in one turn of the loop:
 *
 *   1. decide   the operation reads the shard's state and answers a Decision: records, and the answer. What the records say is not changed
 *      yet.
 *   2. append   the records go to the partition's log as one batch. Refused (too few in-sync replicas, too large, ...): nothing was
 *      appended, nothing changes, the answer is the error.
 *   3. replay   accepted: the same `replay` that reads the log after a move applies the records to the state, in the same turn. Then
 *      `accepted` changes what is kept in memory only.
 *   4. park     the answer waits until the in-sync replicas have everything that was appended up to here. So do the answers of operations
 *      without records: nobody is ever told of a
 *               state that a failing leader could still take back.
 *
 * An append that was accepted is never rolled back: it is committed, or the leadership ends, and with it the shard and all that waits in it
 * (NOT_COORDINATOR). When a commit takes too long, the *answer* is COORDINATOR_NOT_AVAILABLE; the record stays in the log and in the state,
 * which therefore always agree. A new leader replays its log to the end and serves only when all of it is committed.
 */

/** When something happens. Timeouts are counted in `monotonicMs`, what goes into records in `wallMs`. */
export interface Now {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/**
 * One record of `__consumer_offsets`, in Kafka's form: both begin with an int16 version, the key's tells what it is. A null value is a
 * tombstone.
 */
export interface GroupRecord {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

/** What an operation comes to. Records are appended together or not at all, unless they are `divisible`. */
export interface Decision<T> {
  readonly records: readonly GroupRecord[];
  /**
   * The records mean something each on its own: they may be appended in several batches, and be refused from one of them on. For what can
   * outgrow a batch. Default false.
   */
  readonly divisible?: boolean;
  /** The answer to the request, or the ticket of one that a later decision settles. */
  readonly answer: T | Ticket<T>;
  /** Tickets of earlier requests that are answered with this decision, once it is committed. */
  readonly settled?: readonly Settlement[];
  /**
   * Called in the same turn when the records were appended and replayed: changes what the records do not say (waiting members, timers), and
   * may settle more tickets.
   */
  readonly accepted?: () => readonly Settlement[];
}

export type GroupType = "classic" | "consumer";

/** A group as what all kinds of groups have in common. */
export interface Group {
  readonly groupId: string;
  readonly type: GroupType;
  /** As DescribeGroups and ListGroups name it: `Empty`, `Stable`, ... */
  readonly stateName: string;
  /** `consumer` for consumers; empty for a group that only keeps offsets. */
  readonly protocolType: string;
  /** Without members: it may be deleted, and may change its kind. */
  readonly isEmpty: boolean;
  /** Null: may commit (or fetch) offsets here. A commit counts as a sign of life. */
  admitOffsetCommit(by: Committer, now: Now): KafkaError | null;
  admitOffsetFetch(by: { readonly memberId: string | null; readonly memberEpoch: number }): KafkaError | null;
  /** Some member consumes the topic, or nobody can tell: its offsets are not deleted or expired. */
  isSubscribedTo(topic: string): boolean;
  /** Wall clock ms from which `offsets.retention.minutes` count for an offset committed at `commitTimestampMs`; null: in use. */
  offsetIdleSinceMs(topic: string, commitTimestampMs: number): number | null;
  /** Deletes every record that the group may have, offsets aside. When they are replayed, the group is gone from the book. */
  tombstones(): readonly GroupRecord[];
}

export interface Committer {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  /** -1: from outside the group. */
  readonly generationIdOrMemberEpoch: number;
  /** Of the OffsetCommit request. */
  readonly apiVersion: number;
}

/** The groups of a shard by id, of whatever kind. Kinds put theirs in and take them out as they replay. */
export interface GroupBook {
  get(groupId: string): Group | undefined;
  set(group: Group): void;
  /** Only when it is this very group: the id may have been taken by one of another kind. */
  delete(group: Group): void;
  values(): Iterable<Group>;
}

/**
 * One kind of group in one shard: classic groups, or consumer groups (KIP-848). Its requests are methods of its own that answer Decisions.
 */
export interface GroupKind {
  readonly type: GroupType;
  /** Versions of record keys that are this kind's. */
  readonly keyVersions: readonly number[];
  /**
   * Applies a record: when the log is loaded, and when one of our decisions was appended. `key` stands after its version. Throws
   * MalformedFrame: the record is skipped with a line in the log.
   */
  replay(keyVersion: number, key: Reader, value: Buffer | null): void;
  /** The whole log was replayed: members get their timers. */
  loaded(now: Now): void;
  /** Topics appeared, vanished or changed (see `ShardEnvironment.topics`). */
  topicsChanged(now: Now): readonly Decision<null>[];
}

/**
 * Timers of a shard, by key; setting a key again replaces it. Moving a deadline costs next to nothing (heartbeats do it). Times are
 * monotonic.
 */
export interface GroupTimers {
  /** `expired` is an operation like any other. When its records are refused, it is called again a while later. */
  set(key: string, deadlineMs: number, expired: (now: Now) => Decision<null>): void;
  cancel(key: string): void;
}

/** Partition count and replicas of the topics, as this broker's metadata has them now. */
export interface TopicSource {
  readonly current: TopicsView;
}

export interface TopicsView {
  readonly topics: ReadonlyMap<string, KnownTopic>;
  readonly topicNames: ReadonlyMap<TopicId, string>;
  /**
   * Topics whose deletion is on record, as far as we were told. One that is neither there nor deleted is unknown, and what was committed
   * for it stays.
   */
  readonly deletedTopics: ReadonlyMap<TopicId, string>;
  readonly brokers: ReadonlyMap<number, { readonly rack: string | null }>;
}

export interface KnownTopic {
  readonly name: string;
  readonly id: TopicId;
  readonly partitions: readonly { readonly partition: number; readonly replicas: readonly number[] }[];
}

/** What a kind of group gets from its shard. */
export interface ShardEnvironment<Config> {
  readonly groups: GroupBook;
  readonly timers: GroupTimers;
  readonly topics: TopicSource;
  /** For member ids. */
  readonly random: Random;
  readonly config: Config;
}

/** Runs operations on the shard that a group belongs to. */
export interface GroupOperations<Machine> {
  /**
   * The coordinator's own errors come as `error`: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE,
   * INVALID_GROUP_ID, or why the records were refused.
   */
  run<T>(groupId: string, operation: (machine: Machine, now: Now) => Decision<T>): Promise<Ran<T>>;
}

/** A decision that only answers. */
export interface Answered<T> {
  readonly records: readonly GroupRecord[];
  readonly answer: T;
}

export function answered<T>(answer: T): Answered<T> {
  return { records: [], answer };
}

export function errorOr(error: KafkaError | null): KafkaErrorCode {
  return error ?? "NONE";
}
