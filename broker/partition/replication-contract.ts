import type { BrokerId, TopicId, TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { ReplicaFetchedPartition, ReplicaFetchPartition } from "../../protocol/peer/messages.ts";

/** The leader's side of replication, for the peer API. */
export interface ReplicaLeaders {
  /** To be asked in the turn in which it is used. */
  leaderOf(topicId: TopicId, partition: number): ReplicaLeader | KafkaErrorCode;
  /** Called whenever a partition's written end, high watermark or leadership moved, in that turn. Returns a function that unsubscribes. */
  onWritten(listener: (partition: { readonly topicId: TopicId; readonly partition: number }) => void): () => void;
}

export interface ReplicaLeader {
  /** Takes the fetch offset as an acknowledgement, in the caller's turn: once, when the request arrives. */
  acknowledgeFetch(from: FetchingReplica, asked: ReplicaFetchPartition): ReplicaPosition;
  /** Where that fetch stands now. Acknowledges nothing: the follower may have dropped the request and be further ahead by now. */
  positionOf(from: FetchingReplica, asked: ReplicaFetchPartition): ReplicaPosition;
  /** What is written from the fetch offset on, after a position that `isReadable`. `records` go into the payload. */
  readForReplica(asked: ReplicaFetchPartition, maxBytes: number, minOneBatch: boolean): Promise<ReplicaRead>;
  /** This answer is sent: its high watermark is no longer new to that follower. */
  noteAnswered(from: FetchingReplica, answer: ReplicaFetchedPartition): void;
}

export interface FetchingReplica {
  readonly brokerId: BrokerId;
  readonly brokerEpoch: number;
  /** When the request arrived (monotonic): what it proves about the follower, it proves of then. */
  readonly receivedAtMs: number;
}

export interface ReplicaPosition {
  /** What is known without reading: an error, a divergence, or where the leader's log stands. No records. */
  readonly answer: ReplicaFetchedPartition;
  /** There are records to read. False with an error or a divergence. */
  readonly isReadable: boolean;
  /** The follower was not told this high watermark, or this log start, yet, as far as we know. */
  readonly hasNews: boolean;
}

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
  /** What to ask next; null while the log is being changed, or when this is over. */
  nextFetch(): ReplicaFetchPartition | null;
  /**
   * Applies an answer to `asked`; resolves when the fetched records are written, so that the next fetch acknowledges it. Everything up to
   * the first `await` runs in the caller's turn.
   */
  applyFetched(asked: ReplicaFetchPartition, answer: ReplicaFetchedPartition, records: Buffer): Promise<FetchApplied>;
}

/** `ended`: no longer followed under this epoch; drop it. */
export type FetchApplied = "applied" | "back-off" | "ended";

export interface FollowingSource {
  following(): readonly FollowedPartition[];
  /** Called after a change, once for many. Returns a function that unsubscribes. */
  onFollowingChanged(listener: () => void): () => void;
}
