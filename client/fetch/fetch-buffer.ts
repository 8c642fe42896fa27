import type { BatchInfo } from "../../protocol/records/batch-header.ts";
import type { AssignedPartition } from "./assigned-partition.ts";

/** What a batch's header takes as an object: a batch may be shorter than that. */
const batchObjectBytes = 300;

function heldBytes({ sizeInBytes }: BatchInfo): number {
  return sizeInBytes + batchObjectBytes;
}

/** What one fetch returned for one partition: whole, checked batches. */
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

/** A failure is queued after what was fetched before it; it is void when its partition was moved since. */
interface Failure {
  readonly error: Error;
  readonly partition: AssignedPartition | null;
  readonly generation: number;
}

/** What was fetched and not handed out yet, in order of arrival. */
export class FetchBuffer {
  readonly #queue: (FetchedBatches | Failure)[] = [];
  /** Batches taken of the first in the queue. */
  #taken = 0;
  #changed = Promise.withResolvers<void>();

  push(fetched: FetchedBatches): void {
    for (const batch of fetched.batches) fetched.partition.bufferedBytes += heldBytes(batch);
    this.#queue.push(fetched);
    this.notify();
  }

  /** `partition` null: it concerns several. */
  pushError(error: Error, partition: AssignedPartition | null): void {
    this.#queue.push({ error, partition, generation: partition?.generation ?? 0 });
    this.notify();
  }

  /** Some failure will be thrown. */
  get holdsFailure(): boolean {
    return this.#queue.some((each) => "error" in each && isCurrent(each));
  }

  /** The next batch whose partition was not moved since it was fetched; null: none. Throws a failure whose turn it is, once. */
  take(): NextBatch | null {
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const mayBeTaken = isCurrent(first);
      if (mayBeTaken && "batches" in first) {
        const { partition, generation, bytes } = first;
        const batch = first.batches[this.#taken];
        if (batch !== undefined) {
          this.#taken++;
          partition.bufferedBytes -= heldBytes(batch);
          return { partition, generation, bytes, batch };
        }
      }
      this.#queue.shift();
      this.#taken = 0;
      if (mayBeTaken && "error" in first) throw first.error;
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

/** Its partition was not moved since. */
function isCurrent({ partition, generation }: FetchedBatches | Failure): boolean {
  return partition === null || generation === partition.generation;
}
