import type { Space } from "../../runtime/files.ts";

/** The log directories as an operator sees them. */
export interface LogDirectoryService {
  /** Directories that can be used now. */
  readonly onlineDirectories: readonly string[];
  /** In the order of the settings. */
  describe(): Promise<readonly DescribedDirectory[]>;
  /**
   * Has a log copied to another directory, and go on there once the copy has all; a log that is not there yet is made there. Named as in
   * the settings.
   */
  move(topic: string, partition: number, directory: string): MoveVerdict;
}

export interface DescribedDirectory {
  readonly directory: string;
  readonly isOnline: boolean;
  /** Null: cannot be told. */
  readonly space: Space | null;
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
 * `NONE`: it lies there, or will. `REPLICA_NOT_AVAILABLE`: it is not there yet, and the wish is kept, in memory. `LOG_DIR_NOT_FOUND`: no
 * such directory in the settings. `KAFKA_STORAGE_ERROR`: one of the two directories failed, or the log is damaged.
 */
export type MoveVerdict = "NONE" | "REPLICA_NOT_AVAILABLE" | "LOG_DIR_NOT_FOUND" | "KAFKA_STORAGE_ERROR";
