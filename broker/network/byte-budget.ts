import { invariant } from "../../protocol/base/invariant.ts";

/** Bytes of requests held over all connections. It never refuses: whoever reads more while it is spent waits to be told that it is not. */
export class ByteBudget {
  readonly #maxBytes: number;
  #usedBytes = 0;
  #waiting = new Set<() => void>();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get isSpent(): boolean {
    return this.#usedBytes >= this.#maxBytes;
  }

  take(bytes: number): void {
    this.#usedBytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#usedBytes -= bytes;
    invariant(this.#usedBytes >= 0, "no more is given back than was taken");
    if (this.#waiting.size === 0 || this.isSpent) return;
    const told = this.#waiting;
    this.#waiting = new Set();
    for (const resume of told) resume();
  }

  /** Called once when there is room again; the same function is kept once. */
  whenRoom(resume: () => void): void {
    this.#waiting.add(resume);
  }

  forget(resume: () => void): void {
    this.#waiting.delete(resume);
  }
}
