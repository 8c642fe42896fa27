import { invariant } from "../base/invariant.ts";

/**
 * Buffers that nobody uses, by size, to be used again: at most so many bytes. Where another one would be too much, those kept for longest
 * are dropped, of whatever size: sizes that nobody takes any more make room for those in use.
 */
export class FreeBuffers {
  readonly #bytesMax: number;
  /** Of each size the one kept last is taken first, as it is the likeliest to be in the processor's cache. */
  readonly #bySize = new Map<number, Kept[]>();
  #bytes = 0;
  #keeps = 0;

  readonly #onDropped: (buffer: Buffer) => void;

  /** `onDropped`: for one that is not kept, or no longer. */
  constructor(bytesMax: number, onDropped: (buffer: Buffer) => void = () => {}) {
    this.#bytesMax = bytesMax;
    this.#onDropped = onDropped;
  }

  get sizeInBytes(): number {
    return this.#bytes;
  }

  /** One of exactly that size, if there is one. */
  take(sizeInBytes: number): Buffer | null {
    const kept = this.#bySize.get(sizeInBytes)?.pop();
    if (kept === undefined) return null;
    this.#bytes -= sizeInBytes;
    return kept.buffer;
  }

  keep(buffer: Buffer): void {
    if (buffer.length > this.#bytesMax) return this.#onDropped(buffer);
    const kept: Kept = { buffer, keep: this.#keeps++ };
    const sameSize = this.#bySize.get(buffer.length);
    if (sameSize === undefined) this.#bySize.set(buffer.length, [kept]);
    else sameSize.push(kept);
    this.#bytes += buffer.length;
    while (this.#bytes > this.#bytesMax) this.#dropOldest();
  }

  #dropOldest(): void {
    let oldest: Kept[] | null = null;
    for (const sameSize of this.#bySize.values()) {
      const first = sameSize[0];
      if (first !== undefined && (oldest === null || first.keep < oldest[0]!.keep)) oldest = sameSize;
    }
    const dropped = oldest?.shift();
    invariant(dropped !== undefined, "what is kept is counted", () => ({ bytes: this.#bytes }));
    this.#bytes -= dropped.buffer.length;
    this.#onDropped(dropped.buffer);
  }
}

interface Kept {
  readonly buffer: Buffer;
  /** The how-manieth of all that were kept it was. */
  readonly keep: number;
}
