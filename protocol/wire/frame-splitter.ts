import { MalformedFrame } from "./reader.ts";

const prefixBytes = 4;

/** A frame up to this size is allocated at once; a larger one as it arrives, so that announcing much costs the receiver nothing. */
const allocatedAtOnceMaxBytes = 1024 * 1024;

export interface FrameSplitterOptions {
  /** A longer frame is refused; its length prefix does not count. */
  readonly frameMaxBytes: number;
  /** Frames come out with their length in front, for those who read it there. */
  readonly keepsPrefix?: boolean;
}

/**
 * Splits a stream into frames that each follow their length (int32). Holds at most one unfinished frame, in at most twice the bytes that
 * have arrived.
 */
export class FrameSplitter {
  /** May be raised while the stream runs. A frame that is announced as larger is refused before any of it is kept. */
  frameMaxBytes: number;
  /** How much of the prefix is part of a frame as it comes out. */
  readonly #keptBytes: number;
  /** The begun length prefix, then unused until the frame is whole. */
  readonly #prefix = Buffer.alloc(prefixBytes);
  #prefixFilled = 0;
  /** The unfinished frame; null if there is none. */
  #frame: Buffer | null = null;
  #frameFilled = 0;
  #frameBytes = 0;

  constructor({ frameMaxBytes, keepsPrefix = false }: FrameSplitterOptions) {
    this.frameMaxBytes = frameMaxBytes;
    this.#keptBytes = keepsPrefix ? prefixBytes : 0;
  }

  /** The bytes that have arrived of the unfinished frame. */
  get heldBytes(): number {
    return this.#frame === null ? 0 : this.#frameFilled;
  }

  /** The size of that frame; 0 if there is none. */
  get announcedBytes(): number {
    return this.#frame === null ? 0 : this.#frameBytes;
  }

  /**
   * Calls back with each frame that `chunk` completes: a view on the chunk if it lies within it, otherwise a buffer of its own. Throws
   * MalformedFrame; the frames before it were delivered.
   */
  push(chunk: Buffer, onFrame: (frame: Buffer) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#frame !== null) at += this.#fill(chunk, at, onFrame);
      else if (this.#prefixFilled > 0 || chunk.length - at < prefixBytes) at += this.#fillPrefix(chunk, at, onFrame);
      else {
        const frameBytes = this.#checked(chunk.readInt32BE(at));
        at += prefixBytes;
        if (frameBytes <= chunk.length - at) {
          onFrame(chunk.subarray(at - this.#keptBytes, at + frameBytes));
          at += frameBytes;
        } else this.#begin(frameBytes);
      }
    }
  }

  #checked(frameBytes: number): number {
    if (frameBytes < 0 || frameBytes > this.frameMaxBytes)
      throw new MalformedFrame(`frame of ${frameBytes} bytes, at most ${this.frameMaxBytes}`);
    return frameBytes;
  }

  #fillPrefix(chunk: Buffer, at: number, onFrame: (frame: Buffer) => void): number {
    const taken = chunk.copy(this.#prefix, this.#prefixFilled, at, at + prefixBytes - this.#prefixFilled);
    this.#prefixFilled += taken;
    if (this.#prefixFilled === prefixBytes) {
      this.#prefixFilled = 0;
      const frameBytes = this.#checked(this.#prefix.readInt32BE(0));
      if (frameBytes === 0) onFrame(Buffer.from(this.#prefix.subarray(0, this.#keptBytes)));
      else this.#begin(frameBytes);
    }
    return taken;
  }

  #begin(frameBytes: number): void {
    this.#frameBytes = this.#keptBytes + frameBytes;
    this.#frame = Buffer.allocUnsafeSlow(Math.min(this.#frameBytes, allocatedAtOnceMaxBytes));
    this.#frameFilled = this.#keptBytes;
    if (this.#keptBytes > 0) this.#frame.writeInt32BE(frameBytes, 0);
  }

  #fill(chunk: Buffer, at: number, onFrame: (frame: Buffer) => void): number {
    const taken = Math.min(this.#frameBytes - this.#frameFilled, chunk.length - at);
    const frame = this.#withRoomFor(this.#frameFilled + taken);
    chunk.copy(frame, this.#frameFilled, at, at + taken);
    this.#frameFilled += taken;
    if (this.#frameFilled === this.#frameBytes) {
      this.#frame = null;
      onFrame(frame.length === this.#frameBytes ? frame : frame.subarray(0, this.#frameBytes));
    }
    return taken;
  }

  /** Doubling keeps the copying linear in the frame's size. */
  #withRoomFor(filled: number): Buffer {
    const frame = this.#frame as Buffer;
    if (filled <= frame.length) return frame;
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#frameBytes, Math.max(filled, frame.length * 2)));
    frame.copy(larger, 0, 0, this.#frameFilled);
    this.#frame = larger;
    return larger;
  }
}
