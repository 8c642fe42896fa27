import { invariant } from "../../protocol/base/invariant.ts";

/**
 * Memory that what clients ask for takes in coordinators' state, for longer than their requests last, and its bound over all shards of a
 * broker. It does not count as memory that requests hold. Whatever the log has is kept and counted; what is refused beyond the bound
 * (COORDINATOR_NOT_AVAILABLE: clients retry after a while) is only what a request would add.
 */
export class StateMemory {
  readonly maxBytes: number;
  #usedBytes = 0;

  constructor(maxBytes = Number.POSITIVE_INFINITY) {
    this.maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** What takes no more than before is never refused: a member may stay, and every transaction can be ended. */
  hasRoomFor(moreBytes: number): boolean {
    return moreBytes <= 0 || this.#usedBytes + moreBytes <= this.maxBytes;
  }

  change(bytes: number): void {
    this.#usedBytes += bytes;
    invariant(this.#usedBytes >= 0, "nothing is taken off that was not counted", () => ({ usedBytes: this.#usedBytes, bytes }));
  }
}
