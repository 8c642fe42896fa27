/** Ids that somebody waits for. */
const waitingIdsMax = 10_000;

/**
 * Those that wait until what is being ended under a transactional id has ended. Whoever is told CONCURRENT_TRANSACTIONS asks again after a
 * pause of its own, which is many times as long as it takes to write the markers.
 */
export class EndingWaits {
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();

  /** Null: too many wait. */
  wait(transactionalId: string): Promise<void> | null {
    if (this.#waiting.size >= waitingIdsMax) return null;
    const waiting = this.#waiting.get(transactionalId) ?? Promise.withResolvers<void>();
    this.#waiting.set(transactionalId, waiting);
    return waiting.promise;
  }

  hasEnded(transactionalId: string): void {
    this.#waiting.get(transactionalId)?.resolve();
    this.#waiting.delete(transactionalId);
  }

  endAll(): void {
    for (const transactionalId of [...this.#waiting.keys()]) this.hasEnded(transactionalId);
  }
}
