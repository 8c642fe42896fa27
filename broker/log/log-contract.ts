import type { TopicSettings } from "../runtime/topic-settings.ts";

/**
 * One partition's log, as the partition sees it. One writer: `appendAs…` assigns and queues in the caller's turn, the bytes reach the operating system
 * soon after, appends that wait together in one write. Everything from `read`, `endOffsetForEpoch` and `writtenEndOffset` concerns written bytes only.
 */
export interface Log {
  /** First offset kept. */
  readonly startOffset: number;
  /** Exclusive end: the offset that the next record gets; counts appends that are still queued. */
  readonly endOffset: number;
  /** Exclusive end of what the operating system has. At most `endOffset`. Only this may count for the high watermark, be replicated or be served. */
  readonly writtenEndOffset: number;
  /** Leader epoch of the last record (queued ones included), or -1 for an empty log without history. */
  readonly lastEpoch: number;

  /**
   * Appends validated batches (format 2, CRC checked) as the leader: writes offsets and leader epoch into the batches in place, and `appendTimeMs` as their timestamp under LogAppendTime.
   * The buffer belongs to the log afterwards. Throws LogOffline after an I/O error.
   */
  appendAsLeader(batches: Buffer, leaderEpoch: number, appendTimeMs: number): Appended;
  /** Appends what the leader sent, offsets and epochs as they are. The batches must start at `endOffset` exactly (checked by the caller through `invariant`s here) and are CRC-checked here: returns false, nothing appended, when damaged. */
  appendAsFollower(batches: Buffer): boolean;
  /** Resolves when `writtenEndOffset >= offset`; rejects with LogOffline when a write failed. */
  written(offset: number): Promise<void>;
  /** Called (in its own turn of the loop, coalesced) whenever `writtenEndOffset` moved. Returns the way to unsubscribe. */
  onWritten(listener: (writtenEndOffset: number) => void): () => void;

  /**
   * Whole batches from the one holding `fromOffset` on, up to `maxBytes` and only batches that end at or below `endOffsetLimit` (at least one batch when `minOneBatch`, whatever its size).
   * Empty at the end. The tail is served from memory; else from the files. Rejects OffsetOutOfLog outside [startOffset, writtenEndOffset].
   */
  read(fromOffset: number, options: ReadOptions): Promise<ReadResult>;
  /** True when `read` at that offset would be served from memory, so without the disk. */
  isCached(fromOffset: number): boolean;

  /** Of the largest epoch known that is not above `epoch`: that epoch and its exclusive end offset. Null when there is none (KIP-101, KIP-279). */
  endOffsetForEpoch(epoch: number): { readonly epoch: number; readonly endOffset: number } | null;
  /** Epoch of the record at `offset`, or null when unknown. */
  epochAt(offset: number): number | null;
  /** Records a new leader epoch that starts at `endOffset`, before its first record. */
  beginEpoch(epoch: number): void;
  /** First record whose timestamp is at least `timestampMs`, within [startOffset, writtenEndOffset); null when none. */
  findByTimestamp(timestampMs: number): Promise<FoundRecord | null>;
  /** The record with the largest timestamp (the first of those that have it); null in an empty log. KIP-734. */
  findMaxTimestamp(): Promise<FoundRecord | null>;

  /** Cuts everything from `offset` on: a follower making its log agree with the leader's. Resolves when done; queued appends are written first. */
  truncateTo(offset: number): Promise<void>;
  /** Empties the log and starts it anew at `offset`. */
  truncateFullyAndStartAt(offset: number): Promise<void>;

  /** Everything written so far is on the disk when it resolves; the recovery point moves there. */
  flush(): Promise<void>;
  updateSettings(settings: TopicSettings): void;
  /** Flushes and closes the files. */
  close(): Promise<void>;
}

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
}

export interface ReadResult {
  /** Pieces in order; whole batches together. They must not be changed. */
  readonly chunks: readonly Buffer[];
  readonly sizeInBytes: number;
}

export interface FoundRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly leaderEpoch: number;
}

export class OffsetOutOfLog extends Error {
  override readonly name = "OffsetOutOfLog";
}

/** The log's directory failed (disk full, I/O error): nothing is acknowledged from it any more. `cause` has the system's error. */
export class LogOffline extends Error {
  override readonly name = "LogOffline";
}

/** All logs of one log directory. */
export interface LogStore {
  /** Logs found at start, after recovery: their topic, partition and topic id (from `partition.metadata`). */
  readonly found: readonly { readonly topic: string; readonly partition: number; readonly topicId: string | null }[];
  /** Opens the log or creates it. */
  open(topic: string, partition: number, topicId: string, settings: TopicSettings): Promise<Log>;
  /** Renames the folder to `….-delete` at once, removes it later. Open readers may fail. */
  delete(topic: string, partition: number): Promise<void>;
  /** High watermarks as of the last checkpoint (`replication-offset-checkpoint`). */
  readonly highWatermarks: ReadonlyMap<string, number>;
  checkpointHighWatermarks(highWatermarks: ReadonlyMap<string, number>): Promise<void>;
  /** Called once when the directory failed. */
  onOffline(listener: (error: LogOffline) => void): void;
  /** Flushes and closes all, writes the checkpoints, then the clean-shutdown marker. */
  close(): Promise<void>;
}
