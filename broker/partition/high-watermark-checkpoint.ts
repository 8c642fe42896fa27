import type { LogStore } from "../log/store-contract.ts";

type CheckpointStore = Pick<LogStore, "highWatermarks" | "checkpointHighWatermarks">;

/** A replica with what the checkpoint was last given of it: of thousands, few have moved. */
export interface Checkpointed {
  readonly identity: { readonly key: string };
  readonly highWatermark: number;
  /** Null: it must be given again. */
  checkpointedHighWatermark: number | null;
}

/**
 * What is known to be committed, kept over restarts. It may lag: then the replica learns the rest from its leader, or as the leader from
 * its followers.
 */
export class HighWatermarkCheckpoint {
  readonly #store: CheckpointStore;
  /** Also for logs on disk that are not open yet: writing the file must not forget them. */
  readonly #known: Map<string, number>;
  #hasNews = false;
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(store: CheckpointStore) {
    this.#store = store;
    this.#known = new Map(store.highWatermarks);
  }

  /** 0 when nothing is known. */
  restored(key: string): number {
    return this.#known.get(key) ?? 0;
  }

  set(key: string, highWatermark: number): void {
    if (this.#known.get(key) === highWatermark) return;
    this.#known.set(key, highWatermark);
    this.#hasNews = true;
  }

  setAll(replicas: Iterable<Checkpointed>): void {
    for (const replica of replicas) {
      const { identity, highWatermark } = replica;
      if (highWatermark === replica.checkpointedHighWatermark) continue;
      replica.checkpointedHighWatermark = highWatermark;
      this.set(identity.key, highWatermark);
    }
  }

  /** True: the file may still have it, until the next write. */
  forget(key: string): boolean {
    const wasKnown = this.#known.delete(key);
    if (wasKnown) this.#hasNews = true;
    return wasKnown;
  }

  /**
   * Writes the file when anything moved, after a write in progress: two at once would remove each other's temporary file. Rejects when the
   * directory fails.
   */
  write(): Promise<void> {
    this.#lastWrite = this.#lastWrite.catch(() => undefined).then(() => this.#write());
    return this.#lastWrite;
  }

  async #write(): Promise<void> {
    if (!this.#hasNews) return;
    this.#hasNews = false;
    try {
      await this.#store.checkpointHighWatermarks(new Map(this.#known));
    } catch (error) {
      this.#hasNews = true;
      throw error;
    }
  }
}
