/** Held from before the transaction coordinator is asked until the batch that it was asked for is appended, or is not. */
export interface TransactionGuard {
  readonly producerId: number;
}

/**
 * What was verified stays so until the producer's next marker. Race: (1) the coordinator is asked about a batch, and says that its
 * partition is in the transaction; (2) the transaction ends, and its marker is written here; (3) the answer comes, and the batch would be
 * appended behind the marker: to no transaction, or to the next one. So a guard is taken before asking, and a marker ends those of its
 * producer. They belong to one leadership: under another, markers may have been written that this one never saw.
 */
export class TransactionGuards {
  readonly #byProducer = new Map<number, Set<TransactionGuard>>();

  take(producerId: number): TransactionGuard {
    const guard = { producerId };
    const taken = this.#byProducer.get(producerId) ?? new Set();
    this.#byProducer.set(producerId, taken.add(guard));
    return guard;
  }

  /** It was taken here, and no marker of its producer was written since. */
  isHeld(guard: TransactionGuard): boolean {
    return this.#byProducer.get(guard.producerId)?.has(guard) === true;
  }

  giveBack(guard: TransactionGuard): void {
    const taken = this.#byProducer.get(guard.producerId);
    if (taken?.delete(guard) && taken.size === 0) this.#byProducer.delete(guard.producerId);
  }

  markerWritten(producerId: number): void {
    this.#byProducer.delete(producerId);
  }
}
