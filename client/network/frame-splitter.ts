import { MalformedFrame } from "../../protocol/wire/reader.ts";

/**
 * Cuts a byte stream into frames: four bytes of length, then as many bytes. Keeps the chunks as they came and joins them once a frame is whole;
 * a frame's announced size is checked before its bytes are waited for, and nothing is allocated for bytes that have not come.
 */
export class FrameSplitter {
  readonly #frameBytesMax: number;
  readonly #chunks: Buffer[] = [];
  #heldBytes = 0;
  /** Of the frame under way; null while its length is not all there. */
  #frameBytes: number | null = null;

  constructor({ frameBytesMax }: { readonly frameBytesMax: number }) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** The frames that the chunk completes, without their lengths. Throws MalformedFrame. */
  push(chunk: Buffer): readonly Buffer[] {
    if (chunk.length > 0) this.#chunks.push(chunk);
    this.#heldBytes += chunk.length;
    const frames: Buffer[] = [];
    for (;;) {
      if (this.#frameBytes === null) {
        if (this.#heldBytes < 4) return frames;
        const size = this.#take(4).readInt32BE();
        if (size < 0 || size > this.#frameBytesMax) throw new MalformedFrame(`frame of ${size} bytes, at most ${this.#frameBytesMax}`);
        this.#frameBytes = size;
      }
      if (this.#heldBytes < this.#frameBytes) return frames;
      frames.push(this.#take(this.#frameBytes));
      this.#frameBytes = null;
    }
  }

  #take(length: number): Buffer {
    this.#heldBytes -= length;
    const pieces: Buffer[] = [];
    let missing = length;
    let used = 0;
    while (missing > 0) {
      const chunk = this.#chunks[used] as Buffer;
      if (chunk.length <= missing) {
        pieces.push(chunk);
        used++;
      } else {
        pieces.push(chunk.subarray(0, missing));
        this.#chunks[used] = chunk.subarray(missing);
      }
      missing -= Math.min(chunk.length, missing);
    }
    if (used > 0) this.#chunks.splice(0, used);
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces, length);
  }
}
