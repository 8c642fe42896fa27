/**
 * What the protocols of members take, over all classic groups that this broker coordinates. A member's bytes are kept for as long as it is one, which may be long before any of them is in a log, and longer
 * than any request is under way: so they have a bound of their own, and do not count as memory that requests hold.
 */
export class MemberMemory {
  readonly maxBytes: number;
  #usedBytes = 0;

  constructor(maxBytes = Number.POSITIVE_INFINITY) {
    this.maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Whoever takes no more than it had is never refused. */
  hasRoomFor(moreBytes: number): boolean {
    return moreBytes <= 0 || this.#usedBytes + moreBytes <= this.maxBytes;
  }

  change(bytes: number): void {
    this.#usedBytes += bytes;
  }
}
