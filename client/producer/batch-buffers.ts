import { batchHeaderBytes } from "../../protocol/records/batch-header.ts";

/** Kept for later batches, of all sizes together. */
const keptBytesMax = 4 * 1024 * 1024;

/**
 * Memory for batches, used again: a fresh buffer for each costs the kernel as many new pages, and V8 a collection now and then. A buffer
 * comes back only when nothing can read it any more.
 */
export class BatchBuffers {
  readonly #bufferBytes: number;
  readonly #keptMax: number;
  readonly #kept: Buffer[] = [];

  /** `bufferBytes`: what a full batch takes. */
  constructor(bufferBytes: number) {
    this.#bufferBytes = Math.max(bufferBytes, batchHeaderBytes);
    this.#keptMax = Math.floor(keptBytesMax / this.#bufferBytes);
  }

  /** Room for a batch that will be about so large: a buffer, or how much to allocate where one for a full batch would be too much. */
  take(bytesExpected: number): Buffer | number {
    if (bytesExpected * 2 <= this.#bufferBytes) return bytesExpected;
    return this.#kept.pop() ?? Buffer.allocUnsafeSlow(this.#bufferBytes);
  }

  /** Nobody reads it any more. Only full ones are worth keeping. */
  give(buffer: Buffer): void {
    if (buffer.length === this.#bufferBytes && this.#kept.length < this.#keptMax) this.#kept.push(buffer);
  }
}
