import { invariant } from "../base/invariant.ts";

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
 * collecting it than on its work. Sizes are powers of two, so that a released slab suits the next taker. It holds only what nobody uses:
 * what was taken and is never released is garbage as any other buffer is.
 */
export class SlabPool {
  readonly frameBytesMin: number;
  readonly #keptBytesMax: number;
  readonly #detachesReleased: boolean;
  /** By size; of each size the one released last is taken first, as it is the likeliest to be in the processor's cache. */
  readonly #kept = new Map<number, Kept[]>();
  #keptBytes = 0;
  #releases = 0;

  constructor({ keptBytesMax = 16 * 1024 * 1024, frameBytesMin = 16 * 1024, detachesReleased = false }: SlabPoolOptions = {}) {
    this.frameBytesMin = frameBytesMin;
    this.#keptBytesMax = keptBytesMax;
    this.#detachesReleased = detachesReleased;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  take(bytesMin: number): Slab {
    const sizeInBytes = slabSizeFor(bytesMin);
    const kept = this.#kept.get(sizeInBytes)?.pop();
    if (kept === undefined) return this.#slabOf(Buffer.allocUnsafeSlow(sizeInBytes));
    this.#keptBytes -= sizeInBytes;
    return this.#slabOf(kept.bytes);
  }

  #slabOf(bytes: Buffer): Slab {
    let isReleased = false;
    return {
      bytes,
      release: () => {
        invariant(!isReleased, "memory is released once");
        isReleased = true;
        if (this.#detachesReleased) detach(bytes);
        else this.#keep(bytes);
      },
    };
  }

  #keep(bytes: Buffer): void {
    const sizeInBytes = bytes.length;
    if (sizeInBytes > slabBytesMax || sizeInBytes > this.#keptBytesMax) return;
    const sameSize = this.#kept.get(sizeInBytes);
    const kept: Kept = { bytes, release: this.#releases++ };
    if (sameSize === undefined) this.#kept.set(sizeInBytes, [kept]);
    else sameSize.push(kept);
    this.#keptBytes += sizeInBytes;
    while (this.#keptBytes > this.#keptBytesMax) this.#dropOldest();
  }

  /** Of any size: sizes that nobody takes any more make room for those in use. */
  #dropOldest(): void {
    let oldest: Kept[] | null = null;
    for (const sameSize of this.#kept.values()) {
      const first = sameSize[0];
      if (first !== undefined && (oldest === null || first.release < oldest[0]!.release)) oldest = sameSize;
    }
    const dropped = oldest?.shift();
    invariant(dropped !== undefined, "what is kept is counted", () => ({ keptBytes: this.#keptBytes }));
    this.#keptBytes -= dropped.bytes.length;
  }
}

interface Kept {
  readonly bytes: Buffer;
  /** The how-manieth of all releases it was. */
  readonly release: number;
}

function slabSizeFor(bytesMin: number): number {
  if (bytesMin > slabBytesMax) return bytesMin;
  return bytesMin <= slabBytesMin ? slabBytesMin : 2 ** (32 - Math.clz32(bytesMin - 1));
}

/** Every view of it is empty from then on. */
export function detach(bytes: Buffer): void {
  (bytes.buffer as ArrayBuffer).transfer(0);
}
