import { MalformedFrame } from "./reader.ts";
import type { Slab, SlabPool } from "./slab-pool.ts";

const prefixBytes = 4;

const allocatedAtOnceBytesMaxDefault = 1024 * 1024;

export interface FrameSplitterOptions {
  /** A longer frame is refused; its length prefix does not count. */
  readonly frameMaxBytes: number;
  /** Frames come out with their length in front, for those who read it there. */
  readonly keepsPrefix?: boolean;
  /**
   * A frame up to this size is allocated at once; a larger one as it arrives, so that announcing much costs the receiver nothing, but it is
   * copied as it grows. Default 1 MiB.
   */
  readonly allocatedAtOnceBytesMax?: number;
  /** Large frames come in its slabs. */
  readonly slabs?: SlabPool;
}

/** `slab`: where the frame lies, to be released when nothing reads the frame any more, or never; null: in memory of its own. */
export type OnFrame = (frame: Buffer, slab: Slab | null) => void;

/**
 * Splits a stream into frames that each follow their length (int32). Holds at most one unfinished frame, in at most twice the bytes that
 * have arrived.
 */
export class FrameSplitter {
  /** May be raised while the stream runs. A frame that is announced as larger is refused before any of it is kept. */
  frameMaxBytes: number;
  /** How much of the prefix is part of a frame as it comes out. */
  readonly #keptBytes: number;
  readonly #slabs: SlabPool | null;
  readonly #allocatedAtOnceBytesMax: number;
  /** The begun length prefix, then unused until the frame is whole. */
  readonly #prefix = Buffer.alloc(prefixBytes);
  #prefixFilled = 0;
  /** The unfinished frame; null if there is none. */
  #frame: Buffer | null = null;
  /** Where it lies, if it lies in one. */
  #slab: Slab | null = null;
  #frameFilled = 0;
  #frameBytes = 0;

  constructor(options: FrameSplitterOptions) {
    const { frameMaxBytes, keepsPrefix = false, slabs, allocatedAtOnceBytesMax = allocatedAtOnceBytesMaxDefault } = options;
    this.frameMaxBytes = frameMaxBytes;
    this.#allocatedAtOnceBytesMax = allocatedAtOnceBytesMax;
    this.#keptBytes = keepsPrefix ? prefixBytes : 0;
    this.#slabs = slabs ?? null;
  }

  /** The bytes that have arrived of the unfinished frame. */
  get heldBytes(): number {
    return this.#frame === null ? 0 : this.#frameFilled;
  }

  /** The size of that frame; 0 if there is none. */
  get announcedBytes(): number {
    return this.#frame === null ? 0 : this.#frameBytes;
  }

  /** The stream has ended: what arrived of an unfinished frame is released. */
  close(): void {
    this.#slab?.release();
    this.#slab = null;
    this.#frame = null;
  }

  /** Calls back with each frame that `chunk` completes, copied out of it. Throws MalformedFrame; the frames before it were delivered. */
  push(chunk: Buffer, onFrame: OnFrame): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#frame !== null) at += this.#fill(chunk, at, onFrame);
      else if (this.#prefixFilled > 0 || chunk.length - at < prefixBytes) at += this.#fillPrefix(chunk, at, onFrame);
      else {
        this.#announced(chunk.readInt32BE(at), onFrame);
        at += prefixBytes;
      }
    }
  }

  #fillPrefix(chunk: Buffer, at: number, onFrame: OnFrame): number {
    const taken = chunk.copy(this.#prefix, this.#prefixFilled, at, at + prefixBytes - this.#prefixFilled);
    this.#prefixFilled += taken;
    if (this.#prefixFilled === prefixBytes) {
      this.#prefixFilled = 0;
      this.#announced(this.#prefix.readInt32BE(0), onFrame);
    }
    return taken;
  }

  #announced(frameBytes: number, onFrame: OnFrame): void {
    if (frameBytes < 0 || frameBytes > this.frameMaxBytes)
      throw new MalformedFrame(`frame of ${frameBytes} bytes, at most ${this.frameMaxBytes}`);
    this.#frameBytes = this.#keptBytes + frameBytes;
    const frame = this.#allocate(Math.min(this.#frameBytes, this.#allocatedAtOnceBytesMax));
    if (this.#keptBytes > 0) frame.writeInt32BE(frameBytes, 0);
    this.#frameFilled = this.#keptBytes;
    this.#frame = frame;
    if (frameBytes === 0) this.#whole(frame, onFrame);
  }

  #allocate(bytes: number): Buffer {
    this.#slab = this.#slabs !== null && this.#frameBytes >= this.#slabs.frameBytesMin ? this.#slabs.take(bytes) : null;
    return this.#slab?.bytes ?? Buffer.allocUnsafe(bytes);
  }

  #fill(chunk: Buffer, at: number, onFrame: OnFrame): number {
    const taken = Math.min(this.#frameBytes - this.#frameFilled, chunk.length - at);
    const frame = this.#withRoomFor(this.#frameFilled + taken);
    chunk.copy(frame, this.#frameFilled, at, at + taken);
    this.#frameFilled += taken;
    if (this.#frameFilled === this.#frameBytes) this.#whole(frame, onFrame);
    return taken;
  }

  #whole(frame: Buffer, onFrame: OnFrame): void {
    const slab = this.#slab;
    this.#frame = null;
    this.#slab = null;
    onFrame(frame.length === this.#frameBytes ? frame : frame.subarray(0, this.#frameBytes), slab);
  }

  /** Doubling keeps the copying linear in the frame's size. */
  #withRoomFor(filled: number): Buffer {
    const frame = this.#frame as Buffer;
    if (filled <= frame.length) return frame;
    const slab = this.#slab;
    const larger = this.#allocate(Math.min(this.#frameBytes, Math.max(filled, frame.length * 2)));
    frame.copy(larger, 0, 0, this.#frameFilled);
    slab?.release();
    this.#frame = larger;
    return larger;
  }
}
