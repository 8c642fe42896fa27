import type { PartitionRecord } from "../../protocol/peer/messages.ts";

/**
 * Whether a partition stays marked as recovering from an unclean election with this in-sync set: until all its replicas have been in sync
 * since. One that was away still holds records past the new leader's end, and must be allowed to cut them whenever it returns, also under a
 * later, clean leader.
 */
export function stillRecovering(record: Pick<PartitionRecord, "leaderRecovering" | "replicas">, isr: readonly number[]): boolean {
  return record.leaderRecovering && !record.replicas.every((id) => isr.includes(id));
}
