/** What a holder of memory did since it was last checked. */
export interface Progress {
  /** Held all the time, and only the client could have ended that. */
  readonly heldBytes: number;
  /** Arrived, or left. */
  readonly movedBytes: number;
}

/** What is held for a client now: everything that it could release, and the part of it that is unread answers. */
export interface Held {
  readonly reclaimableBytes: number;
  readonly unsentBytes: number;
}

/**
 * Does a client make progress? Data that is read again for a waiting answer does not count, as it would only look like progress. A client
 * from which we have paused reading is only checked for whether it reads its answers.
 */
export class HolderProgress {
  #cameBytes = 0;
  #leftBytes = 0;
  #held: Held = { reclaimableBytes: 0, unsentBytes: 0 };
  #isHeldUp = false;
  #wasHeldUp = false;

  came(bytes: number): void {
    this.#cameBytes += bytes;
  }

  left(bytes: number): void {
    this.#leftBytes += bytes;
  }

  /** Reading from it is paused for the sake of others, or because what it sent is being served. */
  heldUp(isHeldUp: boolean): void {
    this.#isHeldUp = isHeldUp;
    this.#wasHeldUp ||= isHeldUp;
  }

  take(now: Held): Progress {
    const before = this.#held;
    const cameBytes = this.#cameBytes;
    const leftBytes = this.#leftBytes;
    const wasHeldUp = this.#wasHeldUp;
    this.#held = now;
    this.#cameBytes = 0;
    this.#leftBytes = 0;
    this.#wasHeldUp = this.#isHeldUp;
    return wasHeldUp
      ? { heldBytes: Math.min(before.unsentBytes, now.unsentBytes), movedBytes: leftBytes }
      : { heldBytes: Math.min(before.reclaimableBytes, now.reclaimableBytes), movedBytes: cameBytes + leftBytes };
  }
}
