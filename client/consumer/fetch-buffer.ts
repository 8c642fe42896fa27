import type { BatchInfo } from "../../protocol/records/batch-header.ts";
import type { AssignedPartition } from "./assigned-partition.ts";

/** What one fetch brought for one partition: whole, checked batches. */
export interface FetchedBatches {
  readonly partition: AssignedPartition;
  /** The partition's, when it was asked for. */
  readonly generation: number;
  readonly bytes: Buffer;
  readonly batches: readonly BatchInfo[];
}

export interface NextBatch {
  readonly partition: AssignedPartition;
  readonly generation: number;
  readonly bytes: Buffer;
  readonly batch: BatchInfo;
}

/** What was fetched and not handed out yet, in the order of its coming; and failures, which come first. */
export class FetchBuffer {
  readonly #fetched: FetchedBatches[] = [];
  readonly #errors: Error[] = [];
  /** Batches taken of the first in `#fetched`. */
  #taken = 0;
  #changed = Promise.withResolvers<void>();

  push(fetched: FetchedBatches): void {
    for (const { sizeInBytes } of fetched.batches) fetched.partition.bufferedBytes += sizeInBytes;
    this.#fetched.push(fetched);
    this.notify();
  }

  pushError(error: Error): void {
    this.#errors.push(error);
    this.notify();
  }

  takeError(): Error | undefined {
    return this.#errors.shift();
  }

  /** The next batch whose partition was not moved since it was fetched. */
  take(): NextBatch | null {
    for (let first = this.#fetched[0]; first !== undefined; first = this.#fetched[0]) {
      const batch = first.batches[this.#taken];
      if (batch !== undefined && first.generation === first.partition.generation) {
        this.#taken++;
        first.partition.bufferedBytes -= batch.sizeInBytes;
        return { partition: first.partition, generation: first.generation, bytes: first.bytes, batch };
      }
      this.#fetched.shift();
      this.#taken = 0;
    }
    return null;
  }

  /** Resolves at the next change. Ask for it before looking, or in the same turn. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
