import { batchHeaderBytes } from "../../protocol/records/batch-header.ts";

/** Kept for later batches, of all sizes together. */
const keptBytesMax = 4 * 1024 * 1024;
/** Node allocates less than this from a pool of its own. */
const keptSizeMin = 4 * 1024;

/**
 * Memory for batches, used again: a fresh buffer for each costs the kernel as many new pages, and V8 a collection now and then. A buffer
 * comes back only when nothing can read it any more. They come in sizes of powers of two, up to that of a full batch.
 */
export class BatchBuffers {
  readonly #sizeMax: number;
  readonly #kept = new Map<number, Buffer[]>();
  #keptBytes = 0;

  /** `bytesMax`: what a full batch takes. */
  constructor(bytesMax: number) {
    this.#sizeMax = Math.max(bytesMax, batchHeaderBytes);
  }

  /** Room for a batch that will be about so large: a buffer, or how much to allocate. */
  take(bytesExpected: number): Buffer | number {
    const size = this.#sizeFor(bytesExpected);
    if (size < keptSizeMin && size < this.#sizeMax) return bytesExpected;
    const kept = this.#kept.get(size)?.pop();
    if (kept === undefined) return Buffer.allocUnsafeSlow(size);
    this.#keptBytes -= size;
    return kept;
  }

  /** Nobody reads it any more. */
  give(buffer: Buffer): void {
    const size = buffer.length;
    if (size < keptSizeMin && size < this.#sizeMax) return;
    if (size !== this.#sizeFor(size) || this.#keptBytes + size > keptBytesMax) return;
    this.#keptBytes += size;
    const same = this.#kept.get(size);
    if (same === undefined) this.#kept.set(size, [buffer]);
    else same.push(buffer);
  }

  #sizeFor(bytes: number): number {
    return Math.min(2 ** Math.ceil(Math.log2(bytes)), this.#sizeMax);
  }
}
