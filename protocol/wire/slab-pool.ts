import { invariant } from "../base/invariant.ts";
import { FreeBuffers } from "./free-buffers.ts";

/** Memory for one use. Whoever took it either releases it once nothing reads it any more, or leaves it to the garbage collector. */
export interface Slab {
  /** At least as long as wanted; holds whatever was in it before. */
  readonly bytes: Buffer;
  /** At most once. */
  release(): void;
}

export interface SlabPoolOptions {
  /** Released memory that waits here to be taken again. Default 16 MiB. */
  readonly keptBytesMax?: number;
  /** Smaller frames are not worth a slab: what is kept of one would keep all of it. Default 16 KiB. */
  readonly frameBytesMin?: number;
  /** For tests: released memory is detached, so that a use after the release finds nothing, instead of another's bytes. Default false. */
  readonly detachesReleased?: boolean;
}

const slabBytesMin = 4 * 1024;
/** Larger ones are rare: they are not kept. */
const slabBytesMax = 4 * 1024 * 1024;

/**
 * Large buffers that are used again and again. Otherwise each would be garbage after one use, and a broker under load spends more time on
 * collecting it than on its work. Sizes are powers of two, so that a released slab suits the next taker. It holds only what nobody uses.
 * Beyond what it keeps, released memory is freed at once: as garbage it could become several times what is in use, before it is collected.
 * What was taken and is never released is garbage as any other buffer is.
 */
export class SlabPool {
  readonly frameBytesMin: number;
  readonly #detachesReleased: boolean;
  readonly #free: FreeBuffers;

  constructor({ keptBytesMax = 16 * 1024 * 1024, frameBytesMin = 16 * 1024, detachesReleased = false }: SlabPoolOptions = {}) {
    this.frameBytesMin = frameBytesMin;
    this.#free = new FreeBuffers(keptBytesMax, detach);
    this.#detachesReleased = detachesReleased;
  }

  get keptBytes(): number {
    return this.#free.sizeInBytes;
  }

  take(bytesMin: number): Slab {
    const sizeInBytes = slabSizeFor(bytesMin);
    return this.#slabOf(this.#free.take(sizeInBytes) ?? Buffer.allocUnsafeSlow(sizeInBytes));
  }

  #slabOf(bytes: Buffer): Slab {
    let isReleased = false;
    return {
      bytes,
      release: () => {
        invariant(!isReleased, "memory is released once");
        isReleased = true;
        if (this.#detachesReleased || bytes.length > slabBytesMax) detach(bytes);
        else this.#free.keep(bytes);
      },
    };
  }
}

/** How long a slab of at least `bytesMin` bytes is. */
export function slabSizeFor(bytesMin: number): number {
  if (bytesMin > slabBytesMax) return bytesMin;
  return bytesMin <= slabBytesMin ? slabBytesMin : 2 ** (32 - Math.clz32(bytesMin - 1));
}

/** Frees its memory. Every view of it is empty from then on. */
export function detach(bytes: Buffer): void {
  (bytes.buffer as ArrayBuffer).transfer(0);
}
