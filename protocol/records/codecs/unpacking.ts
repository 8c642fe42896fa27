import { MalformedFrame } from "../../wire/reader.ts";

/**
 * Unpacking as data: what has to be called next, so that the same reading of a format serves whoever unpacks within the turn and whoever
 * leaves the work to other threads.
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

/**
 * What unpacking may still take of one turn of the loop. Told of every call: one that fails may have made all that it was allowed to, and a
 * thousand that make next to nothing take as long as one that makes much.
 */
export interface UnpackingBudget {
  /** Bytes that may still be made. What arrived as it is was paid for by its sender; a few packed bytes can stand for a million. */
  unpackedBytesLeft: number;
}

/**
 * What a call takes, however little it makes, as if it had made so many bytes: setting up zlib's and zstd's libraries takes as long as
 * unpacking that much.
 */
export const callCostBytes: Readonly<Record<UnpackCall["library"], number>> = {
  "inflate-raw": 64 * 1024,
  zstd: 64 * 1024,
  snappy: 8 * 1024,
  "lz4-frame": 8 * 1024,
};

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

/**
 * Collects the pieces of a batch, within a bound on their bytes and on their number: each costs a call of its own, however little is in it.
 */
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
