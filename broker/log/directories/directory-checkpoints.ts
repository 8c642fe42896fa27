import type { FileSystem } from "../../runtime/files.ts";
import { type OffsetsByPartition, writeOffsets } from "../files/checkpoint-file.ts";
import { fileNames } from "../files/file-names.ts";

/** What the checkpoint files say of one log. */
export interface CheckpointedOffsets {
  readonly recoveryPoint: number;
  readonly startOffset: number;
  readonly cleanedEndOffset: number;
}

/** The part of an open log that goes into them. */
export interface NotedLog extends CheckpointedOffsets {
  readonly mustKeepStartOffset: boolean;
}

export interface FoundCheckpoints {
  readonly recoveryPoints: OffsetsByPartition;
  readonly startOffsets: OffsetsByPartition;
  readonly cleanedOffsets: OffsetsByPartition;
  /** As the file has them. */
  readonly storedCleanedOffsets: OffsetsByPartition;
}

/**
 * What a directory's checkpoint files hold of its logs, those that are not open included: recovery points, start offsets, and how far
 * compaction got.
 */
export class DirectoryCheckpoints {
  readonly #files: FileSystem;
  readonly #root: string;
  readonly #recoveryPoints: Map<string, number>;
  readonly #startOffsets: Map<string, number>;
  readonly #cleanedOffsets: Map<string, number>;
  #storedCleanedOffsets: OffsetsByPartition;

  constructor(files: FileSystem, root: string, found: FoundCheckpoints) {
    this.#files = files;
    this.#root = root;
    this.#recoveryPoints = new Map(found.recoveryPoints);
    this.#startOffsets = new Map(found.startOffsets);
    this.#cleanedOffsets = new Map(found.cleanedOffsets);
    this.#storedCleanedOffsets = found.storedCleanedOffsets;
  }

  of(key: string): CheckpointedOffsets {
    return {
      recoveryPoint: this.#recoveryPoints.get(key) ?? 0,
      startOffset: this.#startOffsets.get(key) ?? 0,
      cleanedEndOffset: this.#cleanedOffsets.get(key) ?? 0,
    };
  }

  note(key: string, log: NotedLog, recoveryPoint = log.recoveryPoint): void {
    this.#recoveryPoints.set(key, recoveryPoint);
    if (log.mustKeepStartOffset) this.#startOffsets.set(key, log.startOffset);
    else this.#startOffsets.delete(key);
    if (log.cleanedEndOffset > 0) this.#cleanedOffsets.set(key, log.cleanedEndOffset);
    else this.#cleanedOffsets.delete(key);
  }

  /** Of a log that is not open. */
  set(key: string, { recoveryPoint, startOffset, cleanedEndOffset }: CheckpointedOffsets): void {
    this.note(key, { recoveryPoint, startOffset, cleanedEndOffset, mustKeepStartOffset: startOffset > 0 });
  }

  forget(key: string): void {
    this.#recoveryPoints.delete(key);
    this.#startOffsets.delete(key);
    this.#cleanedOffsets.delete(key);
  }

  /**
   * Durable when it resolves. One at a time. How far compaction got is written before the starts: (1) a log is emptied, both of its offsets
   * go down; (2) the machine dies between the files; (3) records that were below the start when it was compacted are back, older values of
   * keys among them, and compaction must process them.
   */
  async write(): Promise<void> {
    const [recoveryPoints, startOffsets] = [new Map(this.#recoveryPoints), new Map(this.#startOffsets)];
    await writeOffsets(this.#files, `${this.#root}/${fileNames.recoveryPoints}`, recoveryPoints);
    await this.#writeCleanedOffsets();
    await writeOffsets(this.#files, `${this.#root}/${fileNames.startOffsets}`, startOffsets);
  }

  /** Most directories have nothing to compact, and most of these writes are for other changes. */
  async #writeCleanedOffsets(): Promise<void> {
    const offsets = new Map(this.#cleanedOffsets);
    const isKnown = offsets.size === this.#storedCleanedOffsets.size;
    if (isKnown && [...offsets].every(([key, offset]) => this.#storedCleanedOffsets.get(key) === offset)) return;
    await writeOffsets(this.#files, `${this.#root}/${fileNames.cleanedOffsets}`, offsets);
    this.#storedCleanedOffsets = offsets;
  }
}
