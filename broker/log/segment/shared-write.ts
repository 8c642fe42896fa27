import { invariant } from "../../../protocol/base/invariant.ts";

/** Runs one write at a time. Those who ask while one is under way share the next one: it writes what there is when it begins. */
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
