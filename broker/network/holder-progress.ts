/** What a holder of memory did since it was last asked. */
export interface Progress {
  /** Held all the time, and nobody but the client could have ended that. */
  readonly heldBytes: number;
  /** Came, or left. */
  readonly movedBytes: number;
}

/** What is held for a client now: in all that it could let go of, and of it answers that it has not read. */
export interface Held {
  readonly reclaimableBytes: number;
  readonly unsentBytes: number;
}

/**
 * Does a client get on? Not told by what is read anew for an answer that waits, by which it could seem to; and not asked of one that we do
 * not let go on, except whether it reads its answers.
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

  /** Nothing more is read from it for the sake of others, or because what it sent is being served. */
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
