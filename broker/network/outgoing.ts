import { invariant } from "../../protocol/base/invariant.ts";
import type { Link } from "../../protocol/base/transport.ts";
import type { KeptMemory } from "../api/request-meter.ts";

/**
 * Handed to the link at a time. The rest of a large answer waits here, so that it visibly shrinks, and its memory is released, as the
 * client reads. A link reports only whole pieces, so they are small: a client that takes longer than a second for one seems to be stuck.
 */
const pieceBytesMax = 128 * 1024;

/** To be called once everything up to there is done with. */
interface End {
  /** Of all bytes that ever waited here. */
  readonly atBytes: number;
  readonly onDone: () => void;
}

/** Answers on their way out. */
export class Outgoing {
  readonly #link: Link;
  readonly #onReleased: () => void;
  #chunks: Buffer[] = [];
  #chunkBytes = 0;
  #ends: End[] = [];
  /** Of what waited here, all that was handed to the link. */
  #handedOverBytes = 0;
  /** Of what waited here: the link has them. */
  #piecesUnderWay = 0;
  #keptBytes = 0;
  #isClosed = false;
  /** The link has reported that its buffer is full, and will report when it has drained. */
  #drainAwaited = false;

  /** `onReleased`: what is held has become less, though nothing drained. */
  constructor(link: Link, onReleased: () => void = () => {}) {
    this.#link = link;
    this.#onReleased = onReleased;
  }

  get unsentBytes(): number {
    return this.#chunkBytes + (this.#drainAwaited ? this.#link.queuedBytes : 0);
  }

  /** Memory of what is unsent: an answer's slabs are held as a whole until all of it has left. */
  get heldBytes(): number {
    return Math.max(this.unsentBytes, this.#keptBytes);
  }

  /** Everything was handed to the link. */
  get isHandedOver(): boolean {
    return this.#chunks.length === 0;
  }

  /** `kept` is released once the link reads none of the chunks any more. */
  write(chunks: readonly Buffer[], kept: readonly KeptMemory[] = []): void {
    const sizeInBytes = chunks.reduce((sum, { length }) => sum + length, 0);
    const onDone = kept.length === 0 ? undefined : () => this.#release(kept);
    for (const { bytes } of kept) this.#keptBytes += bytes;
    if (!this.#drainAwaited && sizeInBytes <= pieceBytesMax) {
      this.#drainAwaited = !this.#link.write(chunks, onDone);
      return;
    }
    for (const chunk of chunks) this.#chunks.push(chunk);
    this.#chunkBytes += sizeInBytes;
    if (onDone !== undefined) this.#ends.push({ atBytes: this.#handedOverBytes + this.#chunkBytes, onDone });
    if (!this.#drainAwaited) this.#handOver();
  }

  onDrain(): void {
    this.#drainAwaited = false;
    if (this.#chunks.length > 0) this.#handOver();
  }

  /** The link is gone: what waits here never leaves. A part of an answer may still be with the link. */
  close(): void {
    this.#isClosed = true;
    this.#drainAwaited = false;
    this.#chunks = [];
    this.#chunkBytes = 0;
    this.#endRest();
  }

  #handOver(): void {
    while (!this.#drainAwaited && this.#chunks.length > 0) {
      const piece = this.#takePiece();
      const ends = this.#takeEnds();
      this.#piecesUnderWay++;
      this.#drainAwaited = !this.#link.write(piece, () => {
        this.#piecesUnderWay--;
        for (const onDone of ends) onDone();
        this.#endRest();
      });
    }
  }

  #release(kept: readonly KeptMemory[]): void {
    for (const { bytes, release } of kept) {
      this.#keptBytes -= bytes;
      release();
    }
    invariant(this.#keptBytes >= 0, "what is kept is released once", () => ({ bytes: this.#keptBytes }));
    this.#onReleased();
  }

  #endRest(): void {
    if (!this.#isClosed || this.#piecesUnderWay > 0) return;
    for (const { onDone } of this.#ends.splice(0)) onDone();
  }

  #takeEnds(): readonly (() => void)[] {
    let count = 0;
    while (count < this.#ends.length && this.#ends[count]!.atBytes <= this.#handedOverBytes) count++;
    return this.#ends.splice(0, count).map(({ onDone }) => onDone);
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
