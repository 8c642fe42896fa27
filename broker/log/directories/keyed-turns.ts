/** What concerns one key is done one after the other, in the order of the calls; different keys do not wait for each other. */
export class KeyedTurns {
  /** The last work on each key. */
  readonly #last = new Map<string, Promise<unknown>>();

  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(work);
    const settled = turn
      .catch(() => undefined)
      .then(() => {
        if (this.#last.get(key) === settled) this.#last.delete(key);
      });
    this.#last.set(key, settled);
    return turn;
  }

  /** Resolves when all that was begun has ended, one way or the other. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#last.values());
  }
}
