import type { BrokerId, IsrEpochs, TopicId } from "../../protocol/base/ids.ts";
import type { KafkaError, KafkaErrorCode, Outcome } from "../../protocol/errors/kafka-errors.ts";
import type { PartitionRecord, ReplicaFetchedPartition, ReplicaFetchPartition } from "../../protocol/peer/messages.ts";
import type { RecordError } from "../../protocol/records/walk-records.ts";
import type { FoundRecord, ProducerRow } from "../log/log-contract.ts";
import type { TopicSettings } from "../runtime/topic-settings.ts";

/** A partition as requests name it. The topic's id, where the request carries one, was translated to its name before. */
export interface PartitionRef {
  readonly topic: string;
  readonly partition: number;
}

/**
 * What the API handlers may ask of the partitions on this broker. Errors are the protocol's; a partition that is not here is
 * UNKNOWN_TOPIC_OR_PARTITION or NOT_LEADER_OR_FOLLOWER as the caller's metadata says.
 */
export interface PartitionService {
  /**
   * Validates and appends in the caller's turn of the loop (order of calls = order in the log), then waits as `acks` demands. `acks` 0
   * resolves as 1 does; the caller does not answer.
   * The bytes belong to the log from here on.
   */
  append(ref: PartitionRef, records: Buffer, options: AppendOptions): Promise<AppendOutcome>;
  /** Reads committed records for a consumer. Resolves at once; waiting for more is `changed`. */
  read(ref: PartitionRef, options: ConsumerReadOptions): Promise<Outcome<ConsumerRead>>;
  /**
   * Resolves when the high watermark, the leadership or the log start of one of these partitions moved after the call was made, at
   * `deadlineMs` (monotonic), or when `signal` aborts. Never rejects.
   */
  changed(refs: readonly PartitionRef[], deadlineMs: number, signal?: AbortSignal): Promise<void>;
  /**
   * Deletes the records below `beforeOffset` (-1: below the high watermark). Resolves when they are gone from all live replicas, and stay
   * so.
   */
  deleteRecords(ref: PartitionRef, beforeOffset: number, timeoutMs: number): Promise<Outcome<{ readonly lowWatermark: number }>>;
  /** What the replica here knows of the producers that write with an id, whether it leads or follows: what each did last. */
  producers(ref: PartitionRef): Outcome<{ readonly producers: readonly ProducerStanding[] }>;
  listOffset(ref: PartitionRef, target: OffsetTarget, currentLeaderEpoch: number): Promise<Outcome<FoundRecord>>;
  endOffsetForEpoch(
    ref: PartitionRef,
    currentLeaderEpoch: number,
    epoch: number,
  ): Outcome<{ readonly epoch: number; readonly endOffset: number }>;
}

export type ProducerStanding = Omit<ProducerRow, "offsetDelta">;

export interface AppendOptions {
  readonly acks: 0 | 1 | -1;
  readonly timeoutMs: number;
  /**
   * With acks -1, called once: the records are on this broker's disk, or never will be; nothing refers to their bytes any more, although it
   * may be long until the replicas have them.
   */
  readonly onWritten?: () => void;
}

export type AppendOutcome =
  | ({ readonly error: null } & AppendedRecords)
  | {
      readonly error: KafkaError;
      readonly message?: string;
      /** The records because of which the whole batch was refused, or some of them. */
      readonly recordErrors?: readonly RecordError[];
    };

export interface AppendedRecords {
  readonly baseOffset: number;
  /** -1 under CreateTime. */
  readonly logAppendTimeMs: number;
  readonly logStartOffset: number;
}

export interface ConsumerReadOptions {
  readonly fetchOffset: number;
  /** -1: unknown to the client, not checked (KIP-320). */
  readonly currentLeaderEpoch: number;
  /** Epoch of the last record the client consumed, or -1: divergence is answered as KIP-595 has it. */
  readonly lastFetchedEpoch: number;
  readonly maxBytes: number;
  readonly minOneBatch: boolean;
  /** The client cannot read zstd: a topic that keeps its records so is refused. */
  readonly withoutZstd?: boolean;
}

export interface ConsumerRead {
  readonly highWatermark: number;
  readonly logStartOffset: number;
  readonly chunks: readonly Buffer[];
  readonly sizeInBytes: number;
  readonly diverging: { readonly epoch: number; readonly endOffset: number } | null;
}

/** Kafka's special timestamps: -1 latest, -2 earliest, -3 maximum; else the first record at or after. */
export type OffsetTarget =
  | { readonly kind: "latest" }
  | { readonly kind: "earliest" }
  | { readonly kind: "max-timestamp" }
  | { readonly kind: "timestamp"; readonly timestampMs: number };

/** For parts of this broker that keep their own state in a partition that it leads (group and transaction coordinators). */
export interface StatePartitions extends Pick<PartitionService, "read" | "changed"> {
  /**
   * Appends in the caller's turn, as acks=all does. An error: nothing was appended. The bytes belong to the log from here on.
   * An append that was accepted ends in one of two ways: committed, or this leadership is over (told to `onLeadershipChanged` in the same
   * turn).
   */
  append(ref: PartitionRef, records: Buffer): Outcome<AppendedState>;
  standing(ref: PartitionRef): Outcome<StateStanding>;
}

export interface AppendedState {
  readonly endOffset: number;
  /**
   * NONE: every in-sync replica has it, and they are enough. An error: it cannot be said, but the records are in our log and stay there
   * while we lead. Never rejects; appends of one partition resolve in order.
   */
  readonly committed: Promise<KafkaErrorCode>;
}

export interface StateStanding {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly highWatermark: number;
  /** Our session is proved now: what we know is the newest there is (I8). */
  readonly isProved: boolean;
  /** The largest batch accepted. */
  readonly batchBytesMax: number;
}

/** The leader's side of replication, for the peer API. */
export interface ReplicaFetchService {
  /** Takes the fetch offset as an acknowledgement, in the caller's turn: once, when the request arrives. */
  acknowledge(from: FetchingReplica, partition: ReplicaFetchPartition): ReplicaPosition;
  /** Where that fetch stands now. Acknowledges nothing: the follower may have given the request up and be further by now. */
  lookAgain(from: FetchingReplica, partition: ReplicaFetchPartition): ReplicaPosition;
  /** What is written from the fetch offset on, after `acknowledge` said `isReadable`. `records` go into the payload. */
  readForReplica(partition: ReplicaFetchPartition, maxBytes: number, minOneBatch: boolean): Promise<ReplicaRead>;
  /** This answer is sent: its high watermark is no news to that follower any more. */
  noteAnswered(from: FetchingReplica, answer: ReplicaFetchedPartition): void;
  /**
   * Calls `moved` whenever a partition's written end, high watermark or leadership moved, in the turn in which it did. Returns the way to
   * unsubscribe.
   */
  watch(moved: (partition: { readonly topicId: TopicId; readonly partition: number }) => void): () => void;
}

export interface FetchingReplica {
  readonly brokerId: BrokerId;
  readonly brokerEpoch: number;
  /** When the request arrived (monotonic): what it proves about the follower, it proves of then. */
  readonly receivedAtMs: number;
}

export interface ReplicaPosition {
  /** As far as it can be told without reading: an error, a divergence, or where the leader's log stands. No records. */
  readonly answer: ReplicaFetchedPartition;
  /** There are records to read. False with an error or a divergence. */
  readonly isReadable: boolean;
  /** The follower was not told this high watermark, or this log start, yet, as far as we know. */
  readonly hasNews: boolean;
}

export interface ReplicaRead {
  readonly answer: ReplicaFetchedPartition;
  readonly records: readonly Buffer[];
}

/** The follower's side, for the fetchers: one replica under one leader epoch. */
export interface FollowedPartition extends PartitionRef {
  readonly topicId: TopicId;
  readonly leader: BrokerId;
  /** What to ask next; null while the log is being changed, or when this is over. */
  nextFetch(): ReplicaFetchPartition | null;
  /**
   * Carries out an answer to `asked`; resolves when what came is written, so that the next fetch acknowledges it. Everything up to the
   * first `await` runs in the caller's turn.
   */
  applyFetched(asked: ReplicaFetchPartition, answer: ReplicaFetchedPartition, records: Buffer): Promise<FetchApplied>;
}

/** `ended`: no longer followed under this epoch; drop it. */
export type FetchApplied = "applied" | "back-off" | "ended";

export interface FollowingSource {
  following(): readonly FollowedPartition[];
  /** Called after a change, once for many. Returns the way to unsubscribe. */
  onFollowingChanged(listener: () => void): () => void;
}

/** How the broker's part in the cluster changes the partitions here. Calls are made one after the other, each awaited. */
export interface RoleSink {
  /**
   * Replicas of this broker, new or changed: lead, follow, or take note. An older leader epoch than known is ignored. What cannot be taken
   * up is reported (`ReplicaHealthReporter`).
   */
  assign(replicas: readonly AssignedReplica[]): Promise<void>;
  /** No longer here. */
  withdraw(replicas: readonly WithdrawnReplica[]): Promise<void>;
  /**
   * Removes what is left of topics whose deletion is on record, set aside earlier. Of these: those that this broker may still have
   * something of, in a log directory that is offline.
   */
  forget(topicIds: ReadonlySet<TopicId>): Promise<readonly TopicId[]>;
  /**
   * A broker is gone, about to stop, or cannot use what it could: leaders take it out of their in-sync sets now, since appends wait for it.
   */
  lookAtFollowers(): void;
  /** The topic's settings changed. */
  updateSettings(topic: string, settings: TopicSettings): void;
  /** The session is lost or cannot be proved: stop leading and following until assigned again. */
  standDown(): void;
}

export interface WithdrawnReplica {
  readonly ref: PartitionRef;
  readonly topicId: TopicId;
  /**
   * The topic's deletion is on record, and the log goes with it. False: nobody names the replica any more, and nobody says why, so its log
   * is set aside.
   */
  readonly isDeleted: boolean;
}

export interface AssignedReplica {
  readonly topic: string;
  readonly topicId: TopicId;
  readonly state: PartitionRecord;
  readonly settings: TopicSettings;
}

/**
 * Where the partitions here say which replicas cannot be used: the controller moves their leaderships, takes them out of the in-sync sets
 * and elects them no more. It is told at once, and told again whenever it is another one, or this broker has registered anew, until the
 * replica is `usable` again.
 */
export interface ReplicaHealthReporter {
  report(replica: { readonly topicId: TopicId; readonly partition: number }, health: ReplicaHealth): void;
}

/** `usable` also for a replica that is no longer here: there is nothing to say of it. */
export type ReplicaHealth = { readonly kind: "usable" } | { readonly kind: "offline" /** For the operator. */; readonly reason: string };

/** Where a leader keeps its in-sync set: compare-and-set on the state znode. Implemented over the coordinator in `cluster/`. */
export interface IsrStore {
  /**
   * `written`: the set is in force, `stateVersion` is the new one. `fenced`: someone else changed the state (a newer epoch, or another
   * leader): we no longer lead as we thought; `current` is what was read.
   * `conflict`: same leader and epoch but another version or set (`current`): adopt it, decide again. `unknown`: cannot be told (yet); keep
   * the stricter set and ask again.
   */
  writeIsr(change: IsrChangeRequest): Promise<IsrWriteResult>;
}

export interface IsrChangeRequest {
  readonly topic: string;
  readonly topicId: TopicId;
  readonly partition: number;
  readonly leader: BrokerId;
  readonly leaderEpoch: number;
  readonly isr: readonly BrokerId[];
  readonly isrEpochs: IsrEpochs;
  readonly expectedVersion: number;
}

export type IsrWriteResult =
  | { readonly kind: "written"; readonly stateVersion: number }
  | { readonly kind: "fenced" }
  | { readonly kind: "conflict"; readonly isr: readonly BrokerId[]; readonly isrEpochs: IsrEpochs; readonly stateVersion: number }
  | { readonly kind: "unknown" };

/** What a partition wants to know of the other brokers and of our own session. */
export interface ClusterView {
  /** The broker's current registration epoch, or null when it is not alive, or is being shut down, as far as the metadata goes. */
  brokerEpoch(id: BrokerId): number | null;
  /** The same, also of one that is being shut down: what it says still counts. */
  registration(id: BrokerId): number | null;
  /**
   * Whether the broker is alive, stays, and can use its replica of this partition, as far as the metadata goes: else a leader waits for it
   * no longer.
   */
  hasReplica(id: BrokerId, topicId: TopicId, partition: number): boolean;
  peerAddress(id: BrokerId): { readonly host: string; readonly port: number } | null;
  /** Our own registration's epoch; -1 while not registered. */
  readonly ownEpoch: number;
  /** Monotonic ms until which our session is proved; past it a leader acknowledges nothing (I8). */
  readonly sessionProvedUntilMs: number;
}
