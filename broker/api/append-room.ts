/**
 * How much of the groups' log large requests may have in flight: appended, and not yet on the in-sync replicas. Race: (1) one request
 * amounts to a thousand slices; (2) each is appended as soon as there is a turn for it; (3) the followers are a hundred megabytes behind
 * and drop out of the ISR of all partitions that this broker leads; (4) the answers are COORDINATOR_NOT_AVAILABLE, and the client repeats
 * everything. So an append waits here for the earlier ones. All large requests share one room; they enter in the order in which they came.
 * A request that fits into one slice does not ask.
 */
export class AppendRoom {
  readonly #bytesMax: number;
  readonly #waiting: { readonly bytes: number; readonly enter: () => void }[] = [];
  #bytes = 0;

  constructor(bytesMax = appendUnderwayMaxBytes) {
    this.#bytesMax = bytesMax;
  }

  get underwayBytes(): number {
    return this.#bytes;
  }

  /** Null: there is room now, and it is taken. A caller that entered must leave, whatever happens. */
  enter(bytes: number): Promise<void> | null {
    if (bytes === 0 || (this.#waiting.length === 0 && this.#fits(bytes))) {
      this.#bytes += bytes;
      return null;
    }
    return new Promise((resolve) => this.#waiting.push({ bytes, enter: resolve }));
  }

  leave(bytes: number): void {
    this.#bytes -= bytes;
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#bytes += next.bytes;
      next.enter();
    }
  }

  /** A request larger than the room has it to itself. */
  #fits(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#bytesMax;
  }
}

/** As much as a follower usually fetches at a time. */
const appendUnderwayMaxBytes = 1024 * 1024;
