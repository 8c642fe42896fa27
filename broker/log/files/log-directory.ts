import type { Clock, Timer } from "../../../protocol/base/clock.ts";
import type { Logger } from "../../../protocol/base/logger.ts";
import type { FileSystem } from "../../runtime/files.ts";
import type { DiskPace } from "./disk-pace.ts";
import type { LogHealth } from "./log-health.ts";

/** What all logs of one directory share. */
export interface LogDirectory {
  readonly health: LogHealth;
  readonly checkpoints: Checkpoints;
  readonly removedFiles: RemovedFiles;
  readonly remembering: Remembering;
  readonly pace: Pick<DiskPace, "write" | "sync" | "stuckForMs">;
}

/** For how long what was checked counts as sound. */
export interface Remembering {
  readonly clock: Pick<Clock, "monotonicMs">;
  /** 0: not at all. */
  readonly rememberMs: number;
}

/** The directory's checkpoint files hold the recovery points and start offsets of all of its logs. */
export interface Checkpoints {
  /** Writes them now; resolves when they are durable. Needed before anything below a recovery point is removed. */
  write(): Promise<void>;
  /** A recovery point rose: to be written at some point, as a low one only costs time at recovery. */
  due(): void;
}

export interface RemovedFilesParts {
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Files that are no longer part of any log, already called `….deleted`, until they are due. Files left by a crash are removed when their
 * log is opened.
 */
export class RemovedFiles {
  readonly #parts: RemovedFilesParts;
  readonly #waiting = new Map<Timer, readonly string[]>();
  readonly #underWay = new Set<Promise<void>>();

  constructor(parts: RemovedFilesParts) {
    this.#parts = parts;
  }

  /** How many wait. */
  get count(): number {
    let count = 0;
    for (const paths of this.#waiting.values()) count += paths.length;
    return count;
  }

  removeLater(paths: readonly string[], delayMs: number): void {
    const timer = this.#parts.clock.schedule(delayMs, () => {
      this.#waiting.delete(timer);
      this.#remove(paths);
    });
    this.#waiting.set(timer, paths);
  }

  /** Removes all that wait, now. */
  async removeAll(): Promise<void> {
    for (const [timer, paths] of this.#waiting) {
      timer.cancel();
      this.#remove(paths);
    }
    this.#waiting.clear();
    await Promise.all(this.#underWay);
  }

  #remove(paths: readonly string[]): void {
    const removal = this.#removeEach(paths);
    this.#underWay.add(removal);
    void removal.finally(() => this.#underWay.delete(removal));
  }

  async #removeEach(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      await this.#parts.files.remove(path).catch((error: unknown) => {
        this.#parts.logger.warn({ err: error, path }, "deleted file could not be removed; it goes when its log is opened again");
      });
    }
  }
}
