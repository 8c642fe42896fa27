import type { BrokerId, TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaError, Outcome } from "../../protocol/errors/kafka-errors.ts";
import type { RecordError } from "../../protocol/records/walk-records.ts";
import type { AbortedRange, FoundRecord, ProducerRow, ReadOptions } from "../log/log-contract.ts";
import type { TransactionGuard, TransactionGuards } from "./transaction-guards.ts";

/**
 * What the API handlers ask of the partitions on this broker. Errors are the protocol's; a partition that is not here is
 * NOT_LEADER_OR_FOLLOWER: whether it exists at all is for the caller's metadata to say.
 */
export interface ClientPartitions extends LeaderLookup<ClientLeader>, ChangeSource, ProducerLookup {}

/** Where consumers read: `leader` answers with whoever can serve what is committed, be it a former leader. */
export interface ConsumedPartitions extends LeaderLookup<ReadingLeader & ListingLeader>, FollowerLookup, ChangeSource {}

/** All of what clients want of one partition's leader; each handler asks for its part. */
export interface ClientLeader extends AppendingLeader, ReadingLeader, ListingLeader, EpochLeader, DeletingLeader {}

export type NoLeader = "NOT_LEADER_OR_FOLLOWER" | "KAFKA_STORAGE_ERROR";

/** Who leads here now. Ask in the turn in which you use it; after an `await`, ask again. */
export interface LeaderLookup<L> {
  leader(partition: TopicPartition): L | NoLeader;
}

/**
 * Who follows here now, for consumers that read close by (KIP-392); null: nobody. As with a leader, ask in the turn in which you use it.
 */
export interface FollowerLookup {
  follower(partition: TopicPartition): ReadingLeader | null;
}

/** For Produce. */
export interface AppendingLeader extends GuardingLeader {
  /**
   * Validates and appends in the caller's turn of the loop (order of calls = order in the log), then waits as `acks` demands. `acks` 0
   * resolves as 1 does; the caller does not answer.
   * The bytes belong to the log from here on.
   */
  append(records: Buffer, options: AppendOptions): Promise<AppendOutcome>;
}

/** For what belongs to a transaction: see `TransactionGuards`. */
export interface GuardingLeader {
  readonly guards: Pick<TransactionGuards, "take" | "giveBack">;
  /** First offset of what the producer has open here; null: nothing, so that what is to be appended must be verified. */
  openTransactionOf(producerId: number, producerEpoch?: number): number | null;
}

export interface AppendOptions {
  readonly acks: 0 | 1 | -1;
  readonly timeoutMs: number;
  /**
   * With acks -1, called once: the records are on this broker's disk, or never will be; nothing refers to their bytes any more, although it
   * may be long until the replicas have them.
   */
  readonly onWritten?: () => void;
  /**
   * For a batch of a transaction whose producer has nothing open in this partition: taken before the transaction coordinator was asked.
   * `waived`: nobody is asked (`transaction.partition.verification.enable`). Without one such a batch is INVALID_TXN_STATE.
   */
  readonly guard?: TransactionGuard | "waived" | undefined;
}

export type AppendOutcome =
  | ({ readonly error: null } & AppendedRecords)
  | {
      readonly error: KafkaError;
      readonly message?: string;
      /** The records for which the whole batch was refused, or some of them. */
      readonly recordErrors?: readonly RecordError[];
    };

export interface AppendedRecords {
  readonly baseOffset: number;
  /** -1 under CreateTime. */
  readonly logAppendTimeMs: number;
  readonly logStartOffset: number;
}

/** For Fetch. */
export interface ReadingLeader {
  /** Reads committed records for a consumer. Resolves at once; waiting for more is `changed`. */
  read(options: ConsumerReadOptions): Promise<Outcome<ConsumerRead> | NotYet>;
}

/** A follower expects to know more in a moment: to be answered only if `changed` does not come in time. */
export interface NotYet {
  readonly error: "OFFSET_NOT_AVAILABLE";
  readonly isExpectedSoon: true;
  /** What an answer says that has to go out before: nothing new. Null: not even that, for the offset may never come here. */
  readonly meanwhile: ConsumerRead | null;
}

export interface ConsumerReadOptions extends Pick<ReadOptions, "trustsRemembered"> {
  readonly fetchOffset: number;
  /** -1: unknown to the client, not checked (KIP-320). */
  readonly currentLeaderEpoch: number;
  /** Epoch of the last record the client consumed, or -1: divergence is answered as in KIP-595. */
  readonly lastFetchedEpoch: number;
  readonly maxBytes: number;
  readonly minOneBatch: boolean;
  /** The client cannot read zstd: a topic that keeps its records so is refused. */
  readonly withoutZstd?: boolean;
  /** Nothing of a transaction that is open, or whose end is not replicated yet (`read_committed`). Default false. */
  readonly committedOnly?: boolean;
  /** Brokers close to the consumer: a leader sends it to one of them that has what is asked for. */
  readonly near?: readonly BrokerId[];
}

export interface ConsumerRead {
  readonly highWatermark: number;
  /** At most the high watermark. */
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly chunks: readonly Buffer[];
  readonly sizeInBytes: number;
  /** As in `ReadResult`. */
  readonly release?: (() => void) | undefined;
  readonly keptBytes?: number | undefined;
  /** Of `committedOnly`: which of the records belong to transactions that were aborted. */
  readonly aborted?: readonly AbortedRange[];
  readonly diverging: { readonly epoch: number; readonly endOffset: number } | null;
  /** To be read there, instead; nothing was read. */
  readonly preferredReadReplica?: BrokerId;
}

/** For long polls. */
export interface ChangeSource {
  /**
   * Resolves when the high watermark, the leadership or the log start of one of these partitions moved after the call was made, at
   * `deadlineMs` (monotonic), or when `signal` aborts. Never rejects.
   */
  changed(partitions: readonly TopicPartition[], deadlineMs: number, signal?: AbortSignal): Promise<void>;
}

/** For ListOffsets. */
export interface ListingLeader {
  listOffset(target: OffsetTarget, currentLeaderEpoch: number, committedOnly?: boolean): Promise<Outcome<FoundRecord>>;
}

/** Kafka's special timestamps: -1 latest, -2 earliest, -3 maximum; else the first record at or after. */
export type OffsetTarget =
  | { readonly kind: "latest" }
  | { readonly kind: "earliest" }
  | { readonly kind: "max-timestamp" }
  | { readonly kind: "timestamp"; readonly timestampMs: number };

/** For OffsetForLeaderEpoch. */
export interface EpochLeader {
  endOffsetForEpoch(currentLeaderEpoch: number, epoch: number): Outcome<{ readonly epoch: number; readonly endOffset: number }>;
}

/** For DeleteRecords. */
export interface DeletingLeader {
  /**
   * Deletes the records below `beforeOffset` (-1: below the high watermark). Resolves when they are gone from all live replicas, and stay
   * so.
   */
  deleteRecords(beforeOffset: number, timeoutMs: number): Promise<Outcome<{ readonly lowWatermark: number }>>;
}

/** For DescribeProducers. */
export interface ProducerLookup {
  /** The replica here, whether it leads or follows; null: none. */
  find(partition: TopicPartition): { producers(): readonly ProducerStanding[] } | null;
}

/** What a replica knows of a producer that writes with an id: what it did last. */
export type ProducerStanding = Omit<ProducerRow, "offsetDelta">;
