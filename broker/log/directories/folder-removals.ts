import type { Logger } from "../../../protocol/base/logger.ts";
import type { FileSystem } from "../../runtime/files.ts";

/** Half of the threads that Node has for files: others write and sync with them. */
const atOnceMax = 2;

/** Removes the folders of deleted logs in the background, a few at a time. What a crash leaves is removed by the next start. */
export class FolderRemovals {
  readonly #files: FileSystem;
  readonly #logger: Logger;
  readonly #waiting: string[] = [];
  readonly #running = new Set<Promise<void>>();
  #atWork = 0;

  constructor({ files, logger }: { readonly files: FileSystem; readonly logger: Logger }) {
    this.#files = files;
    this.#logger = logger;
  }

  add(folders: readonly string[]): void {
    this.#waiting.push(...folders);
    while (this.#atWork < atOnceMax && this.#waiting.length > 0) {
      const run = this.#work();
      this.#running.add(run);
      void run.finally(() => this.#running.delete(run));
    }
  }

  /** Resolves when nothing is left to remove. Never rejects. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #work(): Promise<void> {
    this.#atWork++;
    for (let folder = this.#waiting.shift(); folder !== undefined; folder = this.#waiting.shift()) await this.#remove(folder);
    // in the turn in which nothing was left: a folder that is added later finds somebody to remove it
    this.#atWork--;
  }

  async #remove(folder: string): Promise<void> {
    try {
      await this.#files.remove(folder);
    } catch (error) {
      this.#logger.warn({ err: error, folder }, "deleted log could not be removed; the next start tries again");
    }
  }
}
