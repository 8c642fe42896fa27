import type { Clock, Timer } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { FileSystem } from "../runtime/files.ts";
import type { ClusterImage, ImageSource } from "./cluster-image.ts";
import { isNoted, notesOf, writeClusterNotes } from "./cluster-notes.ts";

export interface ClusterNoteKeeperParts {
  readonly images: ImageSource;
  readonly files: FileSystem;
  /** The log directories that can be used now; the notes go into each. */
  readonly directories: () => readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** Many topics are often created together: one write for all of them. Also how late a note may be. */
const delayMs = 1_000;

/**
 * Keeps `ottla-cluster` up to date: it is rewritten soon after topics, their replicas or settings have changed. A directory that cannot be
 * written is skipped; its logs will report that themselves.
 */
export class ClusterNoteKeeper {
  readonly #parts: ClusterNoteKeeperParts;
  readonly #unsubscribe: () => void;
  #noted: ClusterImage | null = null;
  #timer: Timer | null = null;
  #writing: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(parts: ClusterNoteKeeperParts) {
    this.#parts = parts;
    this.#unsubscribe = parts.images.onChange(() => this.#changed());
  }

  /** Writes now what is not noted yet. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unsubscribe();
    const isDue = this.#timer !== null;
    this.#timer?.cancel();
    await this.#writing;
    if (isDue) await this.#write();
  }

  #changed(): void {
    if (this.#isClosed) return;
    this.#timer ??= this.#parts.clock.schedule(delayMs, () => {
      this.#timer = null;
      this.#writing = this.#writing.then(() => this.#write());
    });
  }

  /** Never rejects: a broker does not need its notes as long as ZooKeeper has its data. */
  async #write(): Promise<void> {
    const { images, files, directories, clock, log } = this.#parts;
    const image = images.current;
    if (image.controllerEpoch < 0 || isNoted(image, this.#noted)) return;
    const notes = notesOf(image, clock.nowMs());
    for (const directory of directories()) {
      try {
        await writeClusterNotes(files, directory, notes);
        this.#noted = image;
      } catch (error) {
        log.warn({ err: error, directory }, "the cluster's topics could not be noted here; it is tried again when they change");
      }
    }
  }
}
