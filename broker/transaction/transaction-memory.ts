import { invariant } from "../../protocol/base/invariant.ts";
import type { Transaction } from "./transaction.ts";

/**
 * What transactional ids take, over all that this broker coordinates: clients choose how many there are and which partitions they write to,
 * and each is kept for a week. Whatever the log has is kept and counted; beyond the bound a request that would add to it is refused
 * (COORDINATOR_NOT_AVAILABLE: clients retry after a while).
 */
export class TransactionMemory {
  readonly maxBytes: number;
  #usedBytes = 0;

  constructor(maxBytes = Number.POSITIVE_INFINITY) {
    this.maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** What takes no more than before is never refused: every transaction can be ended. */
  hasRoomFor(moreBytes: number): boolean {
    return moreBytes <= 0 || this.#usedBytes + moreBytes <= this.maxBytes;
  }

  change(bytes: number): void {
    this.#usedBytes += bytes;
    invariant(this.#usedBytes >= 0, "nothing is taken off that was not counted", () => ({ usedBytes: this.#usedBytes, bytes }));
  }
}

/** The objects, their entries in maps: measured, about, as all of these. */
const overheadBytes = 400;
const topicBytes = 200;
/** Once in the transaction, and once with its name among those that have no marker yet. */
const partitionBytes = 150;

/** Two bytes for a character: that is what they take outside of Latin 1. */
export function memoryOf({ transactionalId, partitions }: Pick<Transaction, "transactionalId" | "partitions">): number {
  let bytes = overheadBytes + 2 * transactionalId.length;
  for (const [topic, ids] of partitions) bytes += topicBytes + 2 * topic.length + ids.size * (partitionBytes + 2 * topic.length);
  return bytes;
}
