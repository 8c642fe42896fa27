import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import type { EndMarker } from "../../../protocol/records/end-marker.ts";
import type { AbortedTransaction } from "../segment/aborted-index.ts";

/** What a marker ends in the cleaned log. */
export interface CleanedEnd {
  /** Batches of its transaction are left, though they may have no records any more. Only where there are none may the marker go. */
  readonly hasBatches: boolean;
  /** Its entry in the cleaned segment's `.txnindex`, where it aborts what is left. */
  readonly aborted: AbortedTransaction | null;
}

/** The transactions of a log that is read from its start to where all of them are decided. */
export class CleanedTransactions {
  /** Aborted ones of each producer, in the order of their markers. */
  #aborted = new Map<number, AbortedTransaction[]>();
  /** Producers of which a batch is left since their last marker. */
  readonly #withBatches = new Set<number>();

  /** The aborted ones of the part that is read next. */
  know(aborted: readonly AbortedTransaction[]): void {
    this.#aborted = new Map();
    for (const entry of aborted) {
      const ofProducer = this.#aborted.get(entry.producerId);
      if (ofProducer === undefined) this.#aborted.set(entry.producerId, [entry]);
      else ofProducer.push(entry);
    }
  }

  isAborted({ isTransactional, isControl, producerId, baseOffset }: BatchInfo): boolean {
    if (!isTransactional || isControl) return false;
    const next = this.#endedFrom(producerId, baseOffset);
    return next !== null && next.firstOffset <= baseOffset;
  }

  /** Something is left of the batch. */
  isLeft({ isTransactional, producerId }: BatchInfo): void {
    if (isTransactional) this.#withBatches.add(producerId);
  }

  /** `marker`: null for a control batch that is not known, which ends nothing and stays. */
  ended({ baseOffset }: BatchInfo, marker: EndMarker | null): CleanedEnd {
    if (marker === null) return { hasBatches: true, aborted: null };
    const hasBatches = this.#withBatches.delete(marker.producerId);
    const entry = hasBatches && marker.kind === "abort" ? this.#endedFrom(marker.producerId, baseOffset) : null;
    return { hasBatches, aborted: entry?.offset === baseOffset ? entry : null };
  }

  /** The producer's first aborted transaction that ended at or above `offset`. */
  #endedFrom(producerId: number, offset: number): AbortedTransaction | null {
    const entries = this.#aborted.get(producerId);
    if (entries === undefined) return null;
    let [low, high] = [0, entries.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (entries[middle]!.offset < offset) low = middle + 1;
      else high = middle;
    }
    return entries[low] ?? null;
  }
}
