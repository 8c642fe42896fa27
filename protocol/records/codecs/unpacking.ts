import { MalformedFrame } from "../../wire/reader.ts";

/**
 * Unpacking as data: what has to be called next, so that the same reading of a format serves whoever unpacks within the turn and whoever leaves the work to other threads.
 * The structure around the calls, and what of it is read or refused, is in the codecs' files.
 */

/** One call into a library: the input is one whole piece of the format. */
export interface UnpackCall {
  readonly library: "inflate-raw" | "zstd" | "snappy" | "lz4-frame";
  readonly input: Buffer;
  /** It must not make more than this. */
  readonly bytesMax: number;
  /** About what it will make; may be wrong. */
  readonly bytesExpected: number;
}

export interface UnpackedPiece {
  readonly bytes: Buffer;
  /** How much of the input it took; the rest is not its own. */
  readonly consumedBytes: number;
}

/** Asks for calls, returns the plain records. Throws MalformedFrame. */
export type Unpacking = Generator<UnpackCall, Buffer, UnpackedPiece>;

/** A batch would unpack to more than its reader wants, which says nothing about whether it is sound. */
export class UnpacksToTooMuch extends MalformedFrame {
  constructor(codec: string, bytesMax: number) {
    super(`${codec}: unpacks to more than ${bytesMax} bytes`);
  }
}

/** Collects the pieces of a batch, within a bound on their bytes and on their number: each costs a call of its own, however little is in it. */
export class Pieces {
  readonly #codec: string;
  readonly #bytesMax: number;
  readonly #countMax: number;
  readonly #pieces: Buffer[] = [];
  #count = 0;
  #bytes = 0;

  constructor(codec: string, bytesMax: number, countMax: number) {
    this.#codec = codec;
    this.#bytesMax = bytesMax;
    this.#countMax = countMax;
  }

  get count(): number {
    return this.#count;
  }

  /** What the next piece may unpack to. */
  get room(): number {
    return this.#bytesMax - this.#bytes;
  }

  /** Throws when a piece that claims so many bytes cannot be taken. */
  expect(bytes: number): void {
    if (++this.#count > this.#countMax)
      throw new MalformedFrame(`${this.#codec}: more than ${this.#countMax} pieces, each packed by itself`);
    if (bytes > this.room) throw new UnpacksToTooMuch(this.#codec, this.#bytesMax);
  }

  add(bytes: Buffer): void {
    if (bytes.length > this.room) throw new UnpacksToTooMuch(this.#codec, this.#bytesMax);
    this.#bytes += bytes.length;
    if (bytes.length > 0) this.#pieces.push(bytes);
  }

  whole(): Buffer {
    return this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces);
  }
}
