import type { FetchedBatch } from "./aborted-batches.ts";
import type { AssignedPartition } from "./assigned-partition.ts";

/** What a batch's header takes as an object: a batch may be shorter than that. */
const batchObjectBytes = 300;

function heldBytes({ sizeInBytes }: FetchedBatch): number {
  return sizeInBytes + batchObjectBytes;
}

/** What one fetch returned for one partition: whole, checked batches. */
export interface FetchedBatches {
  readonly partition: AssignedPartition;
  /** The partition's, when it was asked for. */
  readonly generation: number;
  readonly bytes: Buffer;
  readonly batches: readonly FetchedBatch[];
}

export interface NextBatch {
  readonly partition: AssignedPartition;
  readonly generation: number;
  readonly bytes: Buffer;
  readonly batch: FetchedBatch;
}

/** A failure is queued after what was fetched before it; it is void when its partition was moved since. */
interface Failure {
  readonly error: Error;
  readonly partition: AssignedPartition | null;
  readonly generation: number;
}

interface Held extends FetchedBatches {
  /** How many of its batches were. */
  taken: number;
}

const any = () => true;

/** What was fetched and not handed out yet, in order of arrival. */
export class FetchBuffer {
  readonly #queue: (Held | Failure)[] = [];
  #changed = Promise.withResolvers<void>();

  push(fetched: FetchedBatches): void {
    for (const batch of fetched.batches) fetched.partition.bufferedBytes += heldBytes(batch);
    this.#queue.push({ ...fetched, taken: 0 });
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

  /**
   * The next batch whose partition was not moved since it was fetched; null: none. Throws a failure whose turn it is, once. What is there
   * of partitions that `mayTake` excludes keeps its place.
   */
  take(mayTake: (partition: AssignedPartition) => boolean = any): NextBatch | null {
    for (let at = 0; ; ) {
      const each = this.#queue[at];
      if (each === undefined) return null;
      const mayBeTaken = isCurrent(each);
      if (mayBeTaken && each.partition !== null && !mayTake(each.partition)) {
        at++;
        continue;
      }
      if (mayBeTaken && "batches" in each) {
        const { partition, generation, bytes } = each;
        const batch = each.batches[each.taken];
        if (batch !== undefined) {
          each.taken++;
          partition.bufferedBytes -= heldBytes(batch);
          return { partition, generation, bytes, batch };
        }
      }
      this.#queue.splice(at, 1);
      if (mayBeTaken && "error" in each) throw each.error;
    }
  }

  /** A batch that was taken, and not handed out to its end, comes first again. */
  putBack({ partition, generation, bytes, batch }: NextBatch): void {
    partition.bufferedBytes += heldBytes(batch);
    this.#queue.unshift({ partition, generation, bytes, batches: [batch], taken: 0 });
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
