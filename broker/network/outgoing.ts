import { invariant } from "../../protocol/base/invariant.ts";
import type { Link } from "../../protocol/base/transport.ts";

/**
 * Handed to the link at a time. The rest of a large answer waits here, so that it visibly shrinks, and its memory is released, as the
 * client reads. A link reports only whole pieces, so they are small: a client that takes longer than a second for one seems to be stuck.
 */
const pieceBytesMax = 128 * 1024;

/** To be called once everything up to there was sent. */
interface End {
  /** Of all bytes that ever waited here. */
  readonly atBytes: number;
  readonly onSent: () => void;
}

/** Answers on their way out. */
export class Outgoing {
  readonly #link: Link;
  #chunks: Buffer[] = [];
  #chunkBytes = 0;
  #ends: End[] = [];
  /** Of what waited here, all that was handed to the link. */
  #handedOverBytes = 0;
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

  /** `onSent`: as a link calls it. */
  write(chunks: readonly Buffer[], sizeInBytes: number, onSent?: () => void): void {
    if (!this.#drainAwaited && sizeInBytes <= pieceBytesMax) {
      this.#drainAwaited = !this.#link.write(chunks, onSent);
      return;
    }
    for (const chunk of chunks) this.#chunks.push(chunk);
    this.#chunkBytes += sizeInBytes;
    if (onSent !== undefined) this.#ends.push({ atBytes: this.#handedOverBytes + this.#chunkBytes, onSent });
    if (!this.#drainAwaited) this.#handOver();
  }

  onDrain(): void {
    this.#drainAwaited = false;
    if (this.#chunks.length > 0) this.#handOver();
  }

  #handOver(): void {
    while (!this.#drainAwaited && this.#chunks.length > 0) {
      const piece = this.#takePiece();
      this.#drainAwaited = !this.#link.write(piece, together(this.#takeEnds()));
    }
  }

  #takeEnds(): readonly (() => void)[] {
    let count = 0;
    while (count < this.#ends.length && this.#ends[count]!.atBytes <= this.#handedOverBytes) count++;
    return this.#ends.splice(0, count).map(({ onSent }) => onSent);
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
    this.#handedOverBytes += pieceBytesMax - left;
    invariant(this.#chunks.length > 0 || this.#chunkBytes === 0, "what waits to leave is counted", () => ({ bytes: this.#chunkBytes }));
    return piece;
  }
}

/** One callback instead of many; undefined: of none. */
export function together(callbacks: readonly (() => void)[]): (() => void) | undefined {
  if (callbacks.length <= 1) return callbacks[0];
  return () => {
    for (const callback of callbacks) callback();
  };
}
