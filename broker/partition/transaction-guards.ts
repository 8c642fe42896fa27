import type { VersionedMarker } from "../log/log-contract.ts";

/** Held from before the transaction coordinator is asked until the batch that it was asked for is appended, or is not. */
export interface TransactionGuard {
  readonly producerId: number;
  readonly producerEpoch: number;
}

type Marker = Pick<VersionedMarker, "producerId" | "producerEpoch" | "transactionVersion">;

/**
 * What was verified stays so until the transaction's marker. Race: (1) the coordinator is asked about a batch, and says that its partition
 * is in the transaction; (2) the transaction ends, and its marker is written here; (3) the answer comes, and the batch would be appended
 * behind the marker: to no transaction, or to the next one. So a guard is taken before asking, and the marker ends it. They belong to one
 * leadership: under another, markers may have been written that this one never saw.
 */
export class TransactionGuards {
  readonly #byProducer = new Map<number, Set<TransactionGuard>>();

  take(producerId: number, producerEpoch: number): TransactionGuard {
    const guard = { producerId, producerEpoch };
    const taken = this.#byProducer.get(producerId) ?? new Set();
    this.#byProducer.set(producerId, taken.add(guard));
    return guard;
  }

  /** It was taken here, and its transaction has no marker here. */
  isHeld(guard: TransactionGuard): boolean {
    return this.#byProducer.get(guard.producerId)?.has(guard) === true;
  }

  giveBack(guard: TransactionGuard): void {
    const taken = this.#byProducer.get(guard.producerId);
    if (taken?.delete(guard) && taken.size === 0) this.#byProducer.delete(guard.producerId);
  }

  /**
   * From version 2 on, a marker has the epoch that follows that of its transaction. So the one of the last transaction, which is written
   * while the coordinator waits for just that before it answers, has the epoch of the guard, and does not concern it.
   */
  markerWritten({ producerId, producerEpoch, transactionVersion }: Marker): void {
    for (const guard of this.#byProducer.get(producerId) ?? []) {
      const isOfEarlier = transactionVersion >= 2 && producerEpoch <= guard.producerEpoch;
      if (!isOfEarlier && producerEpoch >= guard.producerEpoch) this.giveBack(guard);
    }
  }
}
