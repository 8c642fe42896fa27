import type { BatchInfo } from "../../protocol/records/batch-header.ts";
import { readEndMarker } from "../../protocol/records/end-marker.ts";

/** A transaction that was aborted, as a fetch's answer lists it: records of the producer from there on belong to it, up to its end. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** A batch as it is handed out, or passed over. */
export interface FetchedBatch extends BatchInfo {
  /** Its records belong to a transaction that was aborted: nobody gets them. */
  readonly isAborted?: boolean;
}

/**
 * Marks the batches of aborted transactions. `bytes` holds all of them. Along the log: a listed transaction begins at its first offset and
 * ends with the producer's next ABORT; until then every transactional batch of that producer is its.
 */
export function markAborted(
  bytes: Buffer,
  batches: readonly BatchInfo[],
  transactions: readonly AbortedTransaction[],
): readonly FetchedBatch[] {
  if (transactions.length === 0) return batches;
  const toBegin = transactions.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<number>();
  let begun = 0;
  return batches.map((batch) => {
    for (let next = toBegin[begun]; next !== undefined && next.firstOffset <= batch.lastOffset; next = toBegin[begun]) {
      open.add(next.producerId);
      begun++;
    }
    if (!batch.isTransactional || !open.has(batch.producerId)) return batch;
    if (!batch.isControl) return { ...batch, isAborted: true };
    if (readEndMarker(bytes, batch)?.kind === "abort") open.delete(batch.producerId);
    return batch;
  });
}
