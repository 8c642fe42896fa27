import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { ParsedBatch } from "../../protocol/records/batch-header.ts";
import type { EndMarker } from "../../protocol/records/end-marker.ts";
import type { TopicSettings } from "../runtime/config/topic-settings.ts";

/**
 * One partition's log, as the partition sees it. One writer: `appendAs…` assigns and queues in the caller's turn, the bytes reach the
 * operating system soon after, waiting appends together in one write. Everything from `read`, `endOffsetForEpoch` and `writtenEndOffset`
 * concerns written bytes only.
 */
export interface Log {
  /** First offset kept. */
  readonly startOffset: number;
  /** Exclusive end: the offset that the next record gets; counts appends that are still queued. */
  readonly endOffset: number;
  /**
   * Exclusive end of what the operating system has; with `flush.messages`, once that many records wait for an fsync, of what is on disk. At
   * most `endOffset`. Only this may count for the high watermark, be replicated or be served.
   */
  readonly writtenEndOffset: number;
  /** Of the files with records, indexes aside. */
  readonly sizeInBytes: number;
  /** Leader epoch of the last record (queued ones included), or -1 for an empty log. An epoch begun without a record does not count. */
  readonly lastEpoch: number;

  /**
   * Appends a validated batch (format 2, CRC checked) as the leader: writes offsets and leader epoch into its bytes in place, and
   * `appendTimeMs` as its timestamp under LogAppendTime. The header has been parsed from the bytes, and is not read again.
   * The bytes belong to the log afterwards. Throws LogOffline after an I/O error. Appended bytes wait in memory until written: the caller
   * that accepts them (with acks=0, too) keeps counting them against its own bounds until `written` resolves; more than 1 GiB waiting is a
   * bug.
   *
   * A batch of an idempotent producer is appended only if it comes next in the producer's sequence; the retry of one of its last five
   * batches changes nothing and is answered with where that batch is.
   */
  appendAsLeader(batch: ParsedBatch, leaderEpoch: number, appendTimeMs: number): LeaderAppend;
  /**
   * Appends the end of a transaction as the leader, as `appendAsLeader` does a batch; also where nothing of it is here, as its epoch fences
   * the producer's older ones. Changes nothing, and is answered as a `duplicate` with where the log ends, when the log has the like of it:
   * nothing is open, and both of its epochs are known.
   * Refused: INVALID_PRODUCER_EPOCH, the producer has a newer one, or (from version 2 on) began a transaction with this one;
   * TRANSACTION_COORDINATOR_FENCED, the producer's last marker is of a newer coordinator.
   */
  appendMarker(marker: VersionedMarker, leaderEpoch: number, appendTimeMs: number): LeaderAppend;
  /**
   * First offset of the earliest transaction that is open, or whose marker is at or above `highWatermark`, but not below the log's start;
   * null: there is none. Below the smaller of this and the high watermark, the last stable offset, every transaction is decided.
   *
   * After a start, or a cut below all that is remembered, transactions whose markers are below the snapshot that the log's producers were
   * restored from count as decided, whatever the high watermark. That is safe: (1) a marker is sent once its outcome is durable at the
   * coordinator; (2) readers see the transaction as the marker says, though it may not be committed; (3) another leader does not have the
   * marker, and cuts it here; (4) the coordinator sends it again, with the same outcome. What is read is no more than what is committed
   * anyway: the high watermark bounds it.
   */
  firstUnstableOffset(highWatermark: number): number | null;
  /**
   * The aborted transactions with records in [fromOffset, endOffset), in the order of their markers. Complete where `endOffset` is at most
   * the last stable offset: of transactions that have no marker yet nothing is known. As many as there are: the caller bounds the range.
   * Rejects LogOffline.
   */
  abortedWithin(fromOffset: number, endOffset: number): Promise<readonly AbortedRange[]>;
  /**
   * First offset of the producer's open transaction; null: none is open. With `producerEpoch`: only of one written under that epoch. One of
   * an earlier epoch is being ended, and what is written under the next is not part of it.
   */
  openTransactionOf(producerId: number, producerEpoch?: number): number | null;
  /**
   * Appends what the leader sent, offsets and epochs as they are. The batches start at `endOffset`, or above where compaction removed what
   * was between (checked by the caller through `invariant`s here), and are CRC-checked here: returns false, nothing appended, when damaged,
   * or when a leader epoch falls from one batch to the next. Throws WriteQueueFull, nothing appended either.
   * `leadersEpochs`: where the leader knows its epochs to have begun; an epoch that it does not list begins with its first batch here.
   */
  appendAsFollower(batches: Buffer, leadersEpochs?: readonly EpochStart[]): boolean;
  /** Resolves when `writtenEndOffset >= offset`; rejects with LogOffline when a write failed. */
  written(offset: number): Promise<void>;
  /**
   * Called (in a microtask of its own, coalesced) after `writtenEndOffset` rose; a truncation does not call it. Returns a function that
   * unsubscribes.
   */
  onWritten(listener: (writtenEndOffset: number) => void): () => void;

  /**
   * Whole batches from the one holding `fromOffset` on, up to `maxBytes` and only batches that end at or below `endOffsetLimit` (at least
   * one batch when `minOneBatch`, whatever its size).
   * What is read from the files is checked: a damaged batch ends what is returned; when it is the first, rejects DamagedBatch, and `damage`
   * reports it.
   * Empty at the end. May return less than `maxBytes` though there is more (one segment at a time, 64 MiB at most). The tail is served from
   * memory; else from the files. Rejects OffsetOutOfLog outside [startOffset, writtenEndOffset].
   */
  read(fromOffset: number, options: ReadOptions): Promise<ReadResult>;
  /** True when `read` at that offset would be served from memory, without disk I/O. */
  isCached(fromOffset: number): boolean;

  /**
   * Of the largest epoch known that is not above `epoch`: that epoch and its exclusive end offset. Null when there is none (KIP-101,
   * KIP-279).
   */
  endOffsetForEpoch(epoch: number): { readonly epoch: number; readonly endOffset: number } | null;
  /** The epoch in force at `offset` and the later ones, with where they began. */
  epochsFrom(offset: number): readonly EpochStart[];
  /** Epoch of the record at `offset`, or null when unknown. */
  epochAt(offset: number): number | null;
  /**
   * Records a new leader epoch that starts at `endOffset`, before its first record. It must be above all epochs known (or the latest
   * itself: then nothing happens).
   */
  beginEpoch(epoch: number): void;
  /**
   * What the log knows of the producers that write to it with an id, as of `endOffset`: a row for each batch that it would recognise, each
   * producer's in their order, so the last one is what the producer did last.
   */
  producerRows(): ProducerRow[];
  /**
   * Forgets the producers whose last batch is `expirationMs` older than `nowMs`, by its largest timestamp, unless they have a transaction
   * open.
   */
  expireProducers(nowMs: number, expirationMs: number): void;
  /** First record whose timestamp is at least `timestampMs`, within [startOffset, writtenEndOffset); null when none. */
  findByTimestamp(timestampMs: number): Promise<FoundRecord | null>;
  /** The record with the largest timestamp (the first of those that have it); null in an empty log. KIP-734. */
  findMaxTimestamp(): Promise<FoundRecord | null>;

  /**
   * Cuts everything from `offset` on: a follower making its log agree with the leader's. Only whole batches go: when `offset` lies inside a
   * batch, all of that batch does, and `endOffset` is its base offset afterwards. Below the first offset of the files: as
   * `truncateFullyAndStartAt`. At or above the end: only epochs that began there without a record are forgotten.
   * Resolves when done and durable; queued appends are written first. Reads meanwhile wait. Appending, `beginEpoch` or another truncation
   * before this resolves is a bug (InvariantViolation): a replica about to lead waits for it first.
   */
  truncateTo(offset: number): Promise<void>;
  /** Empties the log; it starts at `offset`; its leader epochs are forgotten. The rules of `truncateTo` hold. */
  truncateFullyAndStartAt(offset: number): Promise<void>;

  /**
   * The log begins at `offset` from this turn on (no change below its start; at most `writtenEndOffset`); what is below is no longer read.
   * Resolves when no crash can undo that.
   * Segments wholly below are removed in the background. Not while the log is cut.
   */
  advanceStartOffset(offset: number): Promise<void>;
  /**
   * Moves the start past the segments that `retention.ms` and `retention.bytes` no longer keep, among those wholly below `highWatermark`,
   * and removes what is wholly below the start;
   * under `cleanup.policy=compact` only the latter. When nothing is kept, what is appended next goes to a new segment. Appends and reads
   * continue. `nowMs` is the wall clock.
   */
  retain(moment: { readonly highWatermark: number; readonly nowMs: number }): Promise<void>;

  /** Everything written so far is on disk when this resolves; the recovery point moves there. */
  flush(): Promise<void>;
  /** The first known damage of what was on disk; null: none. Kept over restarts, too, until `truncateFullyAndStartAt`. */
  readonly damage: LogDamage | null;
  /** Called when the first damage is found. Returns a function that unsubscribes. */
  onDamaged(listener: (damage: LogDamage) => void): () => void;

  updateSettings(settings: TopicSettings): void;
  /** Flushes and closes the files. Later reads reject LogOffline. */
  close(): Promise<void>;
}

export type LeaderAppend =
  | (Appended & { readonly kind: "appended" | "duplicate" })
  /** Out of the producer's sequence, or from an epoch that is over; the message says which. */
  | { readonly kind: "refused"; readonly error: KafkaError; readonly message: string };

/** The producer's records from there on, up to its next marker, were aborted. */
export interface AbortedRange {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** `transactionVersion`: by which the transaction was begun. */
export type VersionedMarker = EndMarker & { readonly transactionVersion: number };

/** Where the records are. Those of a `duplicate` may still wait to be written or replicated. */
export interface Appended {
  readonly baseOffset: number;
  readonly endOffset: number;
  /** -1 under CreateTime. */
  readonly logAppendTimeMs: number;
}

export interface ReadOptions {
  readonly maxBytes: number;
  /** Exclusive: the high watermark for consumers, the written end for followers. */
  readonly endOffsetLimit: number;
  readonly minOneBatch: boolean;
  /**
   * What was written or checked not long ago (`ottla.log.checked.remember.ms`) is not checked again. Not for those who could not tell us
   * when they find it damaged, or whose task it is to find that. Default false.
   */
  readonly trustsRemembered?: boolean;
}

export interface ReadResult {
  /** Pieces in order; whole batches together. They must not be changed. */
  readonly chunks: readonly Buffer[];
  readonly sizeInBytes: number;
  /** Nobody reads the chunks any more: their memory may be used again. At most once; or never, then the garbage collector has it. */
  readonly release?: (() => void) | undefined;
  /** Memory that this read alone holds until the release; may be more than the chunks. Undefined: none, or as much as the chunks. */
  readonly keptBytes?: number | undefined;
}

export interface FoundRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly leaderEpoch: number;
}

/** A leader epoch, and the offset of its first record. */
export interface EpochStart {
  readonly epoch: number;
  readonly startOffset: number;
}

/** One row of a snapshot: a producer as it was after one of its batches. Kafka's fields. */
export interface ProducerRow {
  readonly producerId: number;
  readonly epoch: number;
  readonly lastSequence: number;
  /** -1: no batch of records yet. */
  readonly lastOffset: number;
  /** Last offset less the first of the batch, so last sequence less its first, too. */
  readonly offsetDelta: number;
  readonly timestampMs: number;
  readonly coordinatorEpoch: number;
  /** -1: no transaction is open. */
  readonly transactionFirstOffset: number;
}

export class OffsetOutOfLog extends Error {
  override readonly name = "OffsetOutOfLog";
}

/** Records that were on disk and are no longer what they were. */
export interface LogDamage {
  /** `batch`: one is damaged, those around it are not. `end-lost`: the log's end is gone, from `offset` on. */
  readonly kind: "batch" | "end-lost";
  readonly path: string;
  /** Where in the file. */
  readonly position: number;
  readonly offset: number;
  readonly reason: string;
}

/** A batch on disk is not what was written there. It is not served, nor copied to followers; all other batches of the log are. */
export class DamagedBatch extends Error {
  override readonly name = "DamagedBatch";
  readonly damage: LogDamage;

  constructor(damage: LogDamage) {
    super(`${damage.path} is damaged at ${damage.position} (offset ${damage.offset}): ${damage.reason}`);
    this.damage = damage;
  }
}

/** The log's directory failed (disk full, I/O error): nothing is acknowledged from it any more. `cause` has the system's error. */
export class LogOffline extends Error {
  override readonly name = "LogOffline";
}

/** The disk does not keep up: nothing is wrong with the batch to be appended. */
export class WriteQueueFull extends Error {
  override readonly name = "WriteQueueFull";
}

/** Too many lookups already wait for another one's large batch: to be retried later. */
export class TooManyLookups extends Error {
  override readonly name = "TooManyLookups";
}
