/** Each of them holds the packed batch that it found. */
const lookupsMax = 100;

/** So many lookups wait for another one's large batch already: to be asked again later. */
export class TooManyLookups extends Error {
  override readonly name = "TooManyLookups";
}

/**
 * Lookups by timestamp that have to unpack a large batch, of all logs of a broker: one at a time, until it has passed over the records.
 * Each takes as much memory as the records of a batch may be, and a client may ask for hundreds in one breath.
 */
export class LookupTurns {
  #last: Promise<unknown> = Promise.resolve();
  /** Waiting ones and the one whose turn it is. */
  #lookups = 0;

  /** Rejects TooManyLookups. */
  async run<T>(lookup: () => Promise<T>): Promise<T> {
    if (this.#lookups >= lookupsMax) throw new TooManyLookups(`${lookupsMax} lookups unpack a large batch, one after the other`);
    this.#lookups++;
    const turn = this.#last.then(lookup).finally(() => {
      this.#lookups--;
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
