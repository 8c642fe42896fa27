import { invariant } from "../../../protocol/base/invariant.ts";

/** Work on one key runs one after the other, in the order of the calls; different keys do not wait for each other. */
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

  /** Resolves when all work that was started has ended, one way or the other. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#last.values());
  }
}

/** Runs one write at a time. Calls made while one is running share the next one: it writes what there is when it begins. */
export class SharedWrite {
  readonly #write: () => Promise<void>;
  #current: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(write: () => Promise<void>) {
    this.#write = write;
  }

  run(): Promise<void> {
    if (this.#next !== null) return this.#next;
    if (this.#current === null) return this.#start();
    this.#next = this.#after();
    return this.#next;
  }

  async #after(): Promise<void> {
    while (this.#current !== null) await this.#current.catch(() => undefined);
    this.#next = null;
    await this.#start();
  }

  #start(): Promise<void> {
    invariant(this.#current === null, "one write at a time");
    this.#current = this.#write().finally(() => {
      this.#current = null;
    });
    return this.#current;
  }
}
