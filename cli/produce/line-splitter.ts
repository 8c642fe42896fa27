/** One line without its line feed. `endPosition`: where the next one starts in the stream, bytes. */
export interface SplitLine {
  readonly bytes: Buffer;
  readonly endPosition: number;
}

/** A line is longer than what may be held in memory for it. */
export class LineTooLong extends Error {
  override readonly name = "LineTooLong";
}

const lineFeed = 0x0a;

/** Cuts a stream of bytes into lines, however the bytes arrive. Lines are bytes: nothing is decoded, a carriage return stays. */
export class LineSplitter {
  readonly #lineBytesMax: number;
  /** The beginning of a line whose end has not arrived yet. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Where the held bytes end in the stream. */
  #position: number;

  /** `position`: where in its stream the first byte is. A longer line throws LineTooLong. */
  constructor({ lineBytesMax, position = 0 }: { readonly lineBytesMax: number; readonly position?: number }) {
    this.#lineBytesMax = lineBytesMax;
    this.#position = position;
  }

  /** Bytes of an unfinished line. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The lines that end in `chunk`. They are views on it: it must not be reused afterwards. */
  push(chunk: Buffer): SplitLine[] {
    const lines: SplitLine[] = [];
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
      const bytes = this.#join(chunk.subarray(start, end));
      start = end + 1;
      lines.push({ bytes, endPosition: this.#position + start });
    }
    this.#hold(chunk.subarray(start));
    this.#position += chunk.length;
    return lines;
  }

  /** The last line when the stream ended without a line feed, or null. */
  finish(): SplitLine | null {
    return this.#heldBytes === 0 ? null : { bytes: this.#join(Buffer.alloc(0)), endPosition: this.#position };
  }

  #hold(rest: Buffer): void {
    if (rest.length === 0) return;
    this.#check(rest.length);
    this.#held.push(rest);
    this.#heldBytes += rest.length;
  }

  #join(rest: Buffer): Buffer {
    this.#check(rest.length);
    if (this.#held.length === 0) return rest;
    const bytes = Buffer.concat([...this.#held, rest]);
    this.#held = [];
    this.#heldBytes = 0;
    return bytes;
  }

  #check(moreBytes: number): void {
    if (this.#heldBytes + moreBytes > this.#lineBytesMax) throw new LineTooLong(`a line is longer than ${this.#lineBytesMax} bytes`);
  }
}
