import type { TopicId } from "../../protocol/base/ids.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { Reader } from "../../protocol/wire/reader.ts";
import type { Decision, Now, ShardTimers, StateRecord } from "../state-machine/contract.ts";

/** One record of `__consumer_offsets`, in Kafka's form: both begin with an int16 version, the key's gives the record's type. */
export type GroupRecord = StateRecord;

export type GroupType = "classic" | "consumer";

/** What all kinds of groups have in common. */
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
  /** Some member consumes the topic, or it is unknown: its offsets are not deleted or expired. */
  isSubscribedTo(topic: string): boolean;
  /** Wall clock ms from which `offsets.retention.minutes` counts for an offset committed at `commitTimestampMs`; null: in use. */
  offsetIdleSinceMs(topic: string, commitTimestampMs: number): number | null;
  /** Deletes every record that the group may have, offsets aside. When they are replayed, the group is removed from the book. */
  tombstones(): readonly GroupRecord[];
}

export interface Committer {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  /** -1: from outside the group. */
  readonly generationIdOrMemberEpoch: number;
  /** Of the OffsetCommit request. */
  readonly apiVersion: number;
  /**
   * In a producer's transaction: the producer need not say which member it acts for. Its transaction fences it, so it may also commit while
   * the members are waiting for their parts. Default false.
   */
  readonly isTransactional?: boolean;
}

/** The groups of a shard by id, of whatever kind. Each kind adds and removes its own on replay. */
export interface GroupBook {
  /** Groups, of any kind. */
  readonly size: number;
  get(groupId: string): Group | undefined;
  set(group: Group): void;
  /** Only when it is this very group: the id may have been taken by one of another kind. */
  delete(group: Group): void;
  values(): Iterable<Group>;
}

/**
 * One kind of group in one shard: classic groups, or consumer groups (KIP-848). Its requests are methods of its own that return Decisions.
 */
export interface GroupKind {
  readonly type: GroupType;
  /** Versions of record keys that belong to this kind. */
  readonly keyVersions: readonly number[];
  /**
   * Applies a record: when the log is loaded, and when one of our decisions was appended. `key` is positioned after its version. Throws
   * MalformedFrame: the record is skipped with a line in the log.
   */
  replay(keyVersion: number, key: Reader, value: Buffer | null): void;
  /** The whole log was replayed: members get their timers. */
  loaded(now: Now): void;
  /** Topics appeared, vanished or changed (see `GroupKindParts.topics`). */
  topicsChanged(now: Now): readonly Decision<null>[];
}

/** Partition count and replicas of the topics, as this broker's metadata has them now. */
export interface TopicSource {
  readonly current: TopicsView;
}

export interface TopicsView {
  readonly topics: ReadonlyMap<string, KnownTopic>;
  readonly topicNames: ReadonlyMap<TopicId, string>;
  /**
   * Topics whose deletion is on record, as far as we know. One that neither exists nor was deleted is unknown, and what was committed for
   * it stays.
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
export interface GroupKindParts<Config> {
  readonly groups: GroupBook;
  readonly timers: ShardTimers;
  readonly topics: TopicSource;
  /** For member ids. */
  readonly random: Random;
  readonly config: Config;
}
