import type { Slab } from "../../protocol/wire/slab-pool.ts";

/** What a request costs beyond its bytes, so that very many tiny ones count too. */
export const requestOverheadBytes = 512;

const produceKey = 0;

/** Only its answers are much larger than its requests, so only one is served at a time; clients do not pipeline it. */
const fetchKey = 1;

/** A whole request, as it came. */
export class ArrivedRequest {
  readonly frame: Buffer;
  readonly isFetch: boolean;
  #slab: Slab | null;

  /** `slab`: where the frame lies. */
  constructor(frame: Buffer, slab: Slab | null) {
    const apiKey = frame.length >= 2 ? frame.readInt16BE(0) : null;
    this.frame = frame;
    this.isFetch = apiKey === fetchKey;
    // records are copied to the logs' own memory, or refused; what other requests bring may be kept for long
    this.#slab = apiKey === produceKey ? slab : null;
  }

  get costBytes(): number {
    return this.frame.length + requestOverheadBytes;
  }

  /**
   * Nothing reads the frame any more. Not to be called when serving it failed: another part of it may still be under way, and its memory is
   * left to the garbage collector.
   */
  release(): void {
    this.#slab?.release();
    this.#slab = null;
  }
}
