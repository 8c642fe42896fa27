import { invariant } from "../../protocol/base/invariant.ts";

/**
 * What this broker may hold in memory on behalf of all clients together: requests that arrive, wait or are under way, and answers until they have left. Nobody is refused: whoever would read more while
 * it is spent waits until there is room, and whoever holds much without getting on is closed (see `memory-reclaim.ts`).
 */
export class ClientMemory {
  readonly maxBytes: number;
  /** Called whenever more was taken than there is. */
  onSpent: () => void = () => {};
  #usedBytes = 0;
  #waiting = new Set<() => void>();

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get freeBytes(): number {
    return Math.max(0, this.maxBytes - this.#usedBytes);
  }

  get isSpent(): boolean {
    return this.#usedBytes >= this.maxBytes;
  }

  take(bytes: number): void {
    this.#usedBytes += bytes;
    if (this.isSpent) this.onSpent();
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
