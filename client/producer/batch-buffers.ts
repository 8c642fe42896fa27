import { batchHeaderBytes } from "../../protocol/records/batch-header.ts";
import { FreeBuffers } from "../../protocol/wire/free-buffers.ts";

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
  readonly #free = new FreeBuffers(keptBytesMax);

  /** `bytesMax`: what a full batch takes. */
  constructor(bytesMax: number) {
    this.#sizeMax = Math.max(bytesMax, batchHeaderBytes);
  }

  /** Room for a batch that will be about so large: a buffer, or how much to allocate. */
  take(bytesExpected: number): Buffer | number {
    const size = this.#sizeFor(bytesExpected);
    if (size < keptSizeMin && size < this.#sizeMax) return bytesExpected;
    return this.#free.take(size) ?? Buffer.allocUnsafeSlow(size);
  }

  /** Nobody reads it any more. */
  give(buffer: Buffer): void {
    const size = buffer.length;
    if (size < keptSizeMin && size < this.#sizeMax) return;
    if (size === this.#sizeFor(size)) this.#free.keep(buffer);
  }

  #sizeFor(bytes: number): number {
    return Math.min(2 ** Math.ceil(Math.log2(bytes)), this.#sizeMax);
  }
}
