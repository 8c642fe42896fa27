import type { Transaction } from "./transaction.ts";

/*
 * What transactional ids take, over all that a broker coordinates (`StateMemory`): clients choose how many there are and which partitions
 * they write to, and each is kept for a week.
 */

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
