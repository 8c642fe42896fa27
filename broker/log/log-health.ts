import { InvariantViolation } from "../../protocol/base/invariant.ts";
import { failureInWords } from "./failure-words.ts";
import { DamagedBatch, LogOffline } from "./log-contract.ts";

/** For work in the background: the directory failed, and its listeners were told. Anything else is a bug. */
export function ignoreOffline(error: unknown): void {
  if (!(error instanceof LogOffline)) throw error;
}

/**
 * Whether a log directory can still be trusted. One failed write, sync or read takes all of its logs offline, for good: after a failed
 * fsync nobody knows what the disk has, and a second fsync would claim success.
 */
export class LogHealth {
  readonly #directory: string;
  readonly #listeners = new Set<(error: LogOffline) => void>();
  #offline: LogOffline | null = null;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get offline(): LogOffline | null {
    return this.#offline;
  }

  assertOnline(): void {
    if (this.#offline !== null) throw this.#offline;
  }

  /** Called at once when it is too late already. */
  onOffline(listener: (error: LogOffline) => void): () => void {
    if (this.#offline !== null) listener(this.#offline);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * What an operation on files ended with, as what its caller should see. Takes the directory offline; a bug stays a bug, and a damaged
   * batch concerns one log only.
   */
  failed(cause: unknown): Error {
    if (cause instanceof InvariantViolation || cause instanceof LogOffline || cause instanceof DamagedBatch) return cause;
    if (this.#offline === null) {
      this.#offline = new LogOffline(`log directory ${this.#directory} is offline: ${failureInWords(cause)}`, { cause });
      for (const listener of [...this.#listeners]) listener(this.#offline);
    }
    return this.#offline;
  }
}
