import { MalformedFrame } from "../../wire/reader.ts";

/**
 * Unpacking as data: which call has to be made next. So the same reader of a format serves callers that unpack within the turn and callers
 * that leave the work to other threads.
 * The structure around the calls, and which of it is accepted or refused, is in the codecs' files.
 */

/** One call into a library: the input is one whole piece of the format. */
export interface UnpackCall {
  readonly library: "inflate-raw" | "zstd" | "snappy" | "lz4-frame";
  readonly input: Buffer;
  /** It must not produce more bytes than this. */
  readonly bytesMax: number;
  /** About how many bytes it will produce; may be wrong. */
  readonly bytesExpected: number;
}

/**
 * What unpacking may still use of one turn of the event loop. It is charged for every call: a failed call may have produced all that it was
 * allowed to, and a thousand calls that produce next to nothing take as long as one that produces much.
 */
export interface UnpackingBudget {
  /**
   * Bytes that may still be produced. Bytes that arrived as they are cost their sender as much; a few packed bytes can expand to a million.
   */
  unpackedBytesLeft: number;
}

/** The fixed cost of a call, in produced bytes: setting up zlib's and zstd's libraries takes as long as unpacking that much. */
export const callCostBytes: Readonly<Record<UnpackCall["library"], number>> = {
  "inflate-raw": 64 * 1024,
  zstd: 64 * 1024,
  snappy: 8 * 1024,
  "lz4-frame": 8 * 1024,
};

export interface UnpackedPiece {
  readonly bytes: Buffer;
  /** How many input bytes it consumed; the rest belongs to something else. */
  readonly consumedBytes: number;
}

/** Yields calls, returns the plain records. Throws MalformedFrame. */
export type Unpacking = Generator<UnpackCall, Buffer, UnpackedPiece>;

/** A batch would unpack to more than its reader accepts. That does not say whether it is sound. */
export class UnpacksToTooMuch extends MalformedFrame {
  constructor(codec: string, bytesMax: number) {
    super(`${codec}: unpacks to more than ${bytesMax} bytes`);
  }
}

/** Collects the pieces of a batch, with bounds on their bytes and on their number: each costs a call of its own, however small it is. */
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

  /** How many bytes the next piece may unpack to. */
  get room(): number {
    return this.#bytesMax - this.#bytes;
  }

  /** Throws when a piece that claims so many bytes cannot be accepted. */
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
