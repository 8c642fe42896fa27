import { invariant } from "../../protocol/base/invariant.ts";

/**
 * How much large requests may have in flight in the logs of a broker's shards: appended, and not yet replicated to the in-sync replicas.
 * Race: (1) one request is worth a thousand slices; (2) each is appended as soon as its turn comes;
 * (3) the followers are a hundred megabytes behind and fall out of the in-sync sets, for all that this broker leads; (4) the answers are
 * COORDINATOR_NOT_AVAILABLE, and the client repeats everything. So what is to be appended waits here for what was. All large requests share
 * one room; they are admitted in the order of arrival. Requests that fit into one slice are not counted.
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

  /** Null: there is room now, and it is taken. Each `enter` is followed by a `leave`, however the request ends. */
  enter(bytes: number): Promise<void> | null {
    if (bytes === 0 || (this.#waiting.length === 0 && this.#fits(bytes))) {
      this.#bytes += bytes;
      return null;
    }
    return new Promise((resolve) => this.#waiting.push({ bytes, enter: resolve }));
  }

  leave(bytes: number): void {
    this.#bytes -= bytes;
    invariant(this.#bytes >= 0, "only who entered leaves", () => ({ underway: this.#bytes, bytes }));
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
