import type { TopicSettings } from "../runtime/config/topic-settings.ts";
import type { Space } from "../runtime/files.ts";
import type { Log, LogOffline } from "./log-contract.ts";

/** The topic was deleted and re-created while this broker was away: the log in the folder is another topic's. */
export class InconsistentTopicId extends Error {
  override readonly name = "InconsistentTopicId";
}

export interface DirectoryFailure {
  readonly directory: string;
  readonly error: LogOffline;
  /** Whether the log of this key (`topic-3`) is there. */
  readonly holds: (key: string) => boolean;
}

/** All logs of a broker. */
export interface LogStore {
  /** Logs found at start, after recovery: their topic, partition and topic id (from `partition.metadata`). */
  readonly found: readonly { readonly topic: string; readonly partition: number; readonly topicId: string | null }[];
  /**
   * Opens the log or creates it; the same log when it is open already. Rejects InconsistentTopicId when the folder belongs to another topic
   * of that name: `setAside` it first. `isNew`: no replica of this partition was ever written, so that it cannot be in an offline
   * directory; a log that may be there, and is not found, is refused with LogOffline.
   */
  open(topic: string, partition: number, topicId: string, settings: TopicSettings, isNew?: boolean): Promise<Log>;
  /**
   * The topic's deletion is on record. Renames the folder to `….-delete` at once, removes it later; another topic's log under that name
   * stays, and the answer is false. Open readers may fail.
   */
  delete(topic: string, partition: number, topicId: string): Promise<boolean>;
  /**
   * No assignment names the log any more: closes it and renames the folder to `….-stray`. `topicId`: whose log is meant, another topic's
   * under that name stays, and the answer is false; null: any topic's.
   */
  setAside(topic: string, partition: number, stray: { readonly topicId: string | null; readonly highWatermark: number }): Promise<boolean>;
  /**
   * Makes a log that was set aside, if this topic has one, the partition's log again. `restored` is called with its high watermark before
   * the note that holds it is removed: it must be durable elsewhere when that resolves. Nothing happens where a log of that name exists.
   */
  takeUp(topic: string, partition: number, topicId: string, restored: (highWatermark: number) => Promise<void>): Promise<void>;
  /** Removes what was set aside of topics whose deletion is on record. */
  deleteStrays(topicIds: ReadonlySet<string>): Promise<void>;
  /** Removes what was set aside longer ago than that. */
  expireStrays(retentionMs: number): Promise<void>;
  /** A log directory is offline: a log that is not found may be there. */
  readonly mayLieOffline: boolean;
  /** High watermarks as of the last checkpoint (`replication-offset-checkpoint`). */
  readonly highWatermarks: ReadonlyMap<string, number>;
  checkpointHighWatermarks(highWatermarks: ReadonlyMap<string, number>): Promise<void>;
  /** Called once for each directory that fails. */
  onOffline(listener: (failure: DirectoryFailure) => void): void;
  /**
   * Starts to compact the logs whose topics are compacted, in the background: below their high watermarks, which the log itself does not
   * know (null: not known now). Ends with `close`.
   */
  startCleaning(highWatermark: (key: string) => number | null): void;
  /** The cleaner's settings have changed. Whether logs are compacted at all stays as it was at the start. */
  reconfigureCleaning(config: CleanerConfig): void;
  /**
   * Flushes and closes all, writes the checkpoints, then the clean-shutdown markers (`brokerEpoch` goes into them), unless this broker has
   * not registered and the start before it left a doubt.
   * Rejects LogOffline when a directory failed: that one has no marker then.
   */
  close(brokerEpoch?: number): Promise<void>;
}

export interface CleanerConfig {
  /** Pause before the logs are checked again when none was worth compacting. */
  readonly backoffMs: number;
  /** Memory for the keys of one round, at most; a round takes what its range of offsets can need. */
  readonly mapBytesMax: number;
  readonly mapLoadFactor: number;
  readonly bytesPerSecondMax: number;
}

/** The log directories as operators see them. */
export interface LogDirectoryService {
  /** Directories that can be used now. */
  readonly onlineDirectories: readonly string[];
  /** In the order of the settings. */
  describe(): Promise<readonly DescribedDirectory[]>;
  /**
   * Copies a log to another directory, and switches to the copy once it is complete; a log that does not exist yet is created there. Named
   * as in the settings.
   */
  move(topic: string, partition: number, directory: string): MoveVerdict;
}

export interface DirectorySpace {
  readonly directory: string;
  readonly isOnline: boolean;
  /** Null: not known. */
  readonly space: Space | null;
}

export interface DescribedDirectory extends DirectorySpace {
  readonly logs: readonly DescribedLog[];
}

export interface DescribedLog {
  readonly topic: string;
  readonly partition: number;
  readonly sizeInBytes: number;
  /** Exclusive, of what is written. */
  readonly endOffset: number;
  /** The log that this is becoming a copy of; null: it is a log itself. */
  readonly copyOf: { readonly endOffset: number } | null;
}

/**
 * `NONE`: it is there, or will be. `REPLICA_NOT_AVAILABLE`: it does not exist yet, and the request is kept in memory. `LOG_DIR_NOT_FOUND`:
 * no such directory in the settings. `KAFKA_STORAGE_ERROR`: one of the two directories failed, or the log is damaged.
 */
export type MoveVerdict = "NONE" | "REPLICA_NOT_AVAILABLE" | "LOG_DIR_NOT_FOUND" | "KAFKA_STORAGE_ERROR";

/** Each log has a file open. That there are too many says nothing about the disk. */
export class TooManyLogs extends Error {
  override readonly name = "TooManyLogs";

  constructor(logsMax: number) {
    super(
      `this broker has ${logsMax} logs, and its limit of open files allows no more: raise it (ulimit -n, LimitNOFILE) and restart the broker`,
    );
  }
}
