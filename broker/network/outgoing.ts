import { invariant } from "../../protocol/base/invariant.ts";
import type { Link } from "../../protocol/base/transport.ts";

/**
 * Handed to the link at a time. The rest of a large answer waits here, so that it visibly shrinks, and its memory is released, as the
 * client reads. A link reports only whole pieces, so they are small: a client that takes longer than a second for one seems to be stuck.
 */
const pieceBytesMax = 128 * 1024;

/** Answers on their way out. */
export class Outgoing {
  readonly #link: Link;
  #chunks: Buffer[] = [];
  #chunkBytes = 0;
  /** The link has reported that its buffer is full, and will report when it has drained. */
  #drainAwaited = false;

  constructor(link: Link) {
    this.#link = link;
  }

  get unsentBytes(): number {
    return this.#chunkBytes + (this.#drainAwaited ? this.#link.queuedBytes : 0);
  }

  /** Everything was handed to the link. */
  get isHandedOver(): boolean {
    return this.#chunks.length === 0;
  }

  write(chunks: readonly Buffer[], sizeInBytes: number): void {
    if (!this.#drainAwaited && sizeInBytes <= pieceBytesMax) {
      this.#drainAwaited = !this.#link.write(chunks);
      return;
    }
    for (const chunk of chunks) this.#chunks.push(chunk);
    this.#chunkBytes += sizeInBytes;
    if (!this.#drainAwaited) this.#handOver();
  }

  onDrain(): void {
    this.#drainAwaited = false;
    if (this.#chunks.length > 0) this.#handOver();
  }

  #handOver(): void {
    while (!this.#drainAwaited && this.#chunks.length > 0) this.#drainAwaited = !this.#link.write(this.#takePiece());
  }

  #takePiece(): Buffer[] {
    let left = pieceBytesMax;
    let count = 0;
    while (count < this.#chunks.length && this.#chunks[count]!.length <= left) left -= this.#chunks[count++]!.length;
    const piece = this.#chunks.splice(0, count);
    const next = this.#chunks[0];
    if (next !== undefined && left > 0) {
      piece.push(next.subarray(0, left));
      this.#chunks[0] = next.subarray(left);
      left = 0;
    }
    this.#chunkBytes -= pieceBytesMax - left;
    invariant(this.#chunks.length > 0 || this.#chunkBytes === 0, "what waits to leave is counted", () => ({ bytes: this.#chunkBytes }));
    return piece;
  }
}
