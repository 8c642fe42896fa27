import type { BrokerId, TopicId, TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { ReplicaFetchedPartition, ReplicaFetchPartition } from "../../protocol/peer/messages.ts";

/** The leader's side of replication, for the peer API. */
export interface ReplicaLeaders {
  /** To be asked in the turn in which it is used. */
  leaderOf(topicId: TopicId, partition: number): ReplicaLeader | KafkaErrorCode;
  /**
   * Called whenever a partition's written end, high watermark, log start, in-sync set, assignment or leadership moved, in that turn: what
   * `positionOf` says may have changed. Returns a function that unsubscribes.
   */
  onWritten(listener: (partition: { readonly topicId: TopicId; readonly partition: number }) => void): () => void;
}

export interface ReplicaLeader {
  /**
   * Takes the fetch offset as an acknowledgement, in the caller's turn: once, when the request arrives. From then on each advance of
   * `from.receivedAtMs` counts as the same fetch again, until `endFetch`.
   */
  acknowledgeFetch(from: FetchingReplica, asked: ReplicaFetchPartition): ReplicaPosition;
  /** The follower's next requests do not speak for this partition, or its session is over. Before `from.receivedAtMs` advances again. */
  endFetch(from: FetchingReplica): void;
  /** Where that fetch stands now. Acknowledges nothing: the follower may have dropped the request and be further ahead by now. */
  positionOf(from: FetchingReplica, asked: ReplicaFetchPartition): ReplicaPosition;
  /** What is written from the fetch offset on, after a position that `isReadable`. `records` go into the payload. */
  readForReplica(asked: ReplicaFetchPartition, maxBytes: number, minOneBatch: boolean): Promise<ReplicaRead>;
}

/** A follower in one session. The same object for all of its requests. */
export interface FetchingReplica {
  readonly brokerId: BrokerId;
  readonly brokerEpoch: number;
  /** When its last request arrived (monotonic): what that proves about the follower, it proves of then. */
  readonly receivedAtMs: number;
}

export interface ReplicaPosition {
  /** What is known without reading: an error, a divergence, or where the leader's log stands. No records. */
  readonly answer: ReplicaFetchedPartition;
  /** There are records to read. False with an error or a divergence. */
  readonly isReadable: boolean;
  /**
   * Repeating this fetch changes nothing but the time at which the follower last had everything: it need not be acknowledged again until
   * the partition moves. False with an error or a divergence.
   */
  readonly isSteady: boolean;
  /** By whom copying the records to that replica is slowed. */
  readonly throttledBy: ThrottledBy;
}

/**
 * Of the two, whoever's broker has to keep to its rate in copying a partition. Never when producers wait for the replica, which is in sync,
 * or about to be.
 */
export interface ThrottledBy {
  readonly leader: boolean;
  readonly follower: boolean;
}

export const unthrottled: ThrottledBy = { leader: false, follower: false };

export interface ReplicaRead {
  readonly answer: ReplicaFetchedPartition;
  readonly records: readonly Buffer[];
  /** As in `ReadResult`. */
  readonly release?: (() => void) | undefined;
}

/** The follower's side, for the fetchers: one replica under one leader epoch. */
export interface FollowedPartition extends TopicPartition {
  readonly topicId: TopicId;
  readonly leader: BrokerId;
  /** What it fetches counts against this broker's quota: the topic's list names it, and it is not in sync as far as is known here. */
  readonly isThrottled: boolean;
  /** What to ask next; null while the log is being changed, or when this is over. */
  nextFetch(): ReplicaFetchPartition | null;
  /**
   * Calls `listener` when what `nextFetch` says, or `isThrottled`, changed by anything but an answer that was applied, in that turn.
   * Whoever fetches must not speak for the partition any more as it was. One listener at a time.
   */
  onFetchChanged(listener: () => void): void;
  /**
   * Applies an answer to `asked`; resolves when the fetched records are written, so that the next fetch acknowledges it. Everything up to
   * the first `await` runs in the caller's turn.
   */
  applyFetched(asked: ReplicaFetchPartition, answer: ReplicaFetchedPartition, records: Buffer): Promise<FetchApplied>;
}

/** `ignored`: it was not for the log as it is. `ended`: no longer followed under this epoch; drop it. */
export type FetchApplied = "applied" | "ignored" | "back-off" | "ended";

export interface FollowingSource {
  following(): readonly FollowedPartition[];
  /** Consumers read here what is followed from this leader: they wait for its high watermarks. */
  isReadHere(leader: BrokerId): boolean;
  /** Called after changes, once for many, with those partitions alone. Returns a function that unsubscribes. */
  onFollowingChanged(listener: (changes: readonly FollowingChange[]) => void): () => void;
}

/** `followed` null: it is not followed any more. */
export interface FollowingChange {
  readonly topicId: TopicId;
  readonly partition: number;
  readonly followed: FollowedPartition | null;
}
