/** One line without its line feed. `endPosition`: where the next one starts in the stream, bytes. */
export interface SplitLine {
  readonly bytes: Buffer;
  readonly endPosition: number;
  /** It is longer than so many bytes, which is what may be held in memory: `bytes` is empty, and its end may not have been read yet. */
  readonly longerThan?: number;
}

const lineFeed = 0x0a;

/** Cuts a stream of bytes into lines, however the bytes arrive. Lines are bytes: nothing is decoded, a carriage return stays. */
export class LineSplitter {
  readonly #lineBytesMax: number;
  /** The beginning of a line whose end has not arrived yet. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** A line that is too long was told of, and its end has not arrived yet. */
  #isSkipping = false;
  /** Where the held bytes end in the stream. */
  #position: number;

  /** `position`: where in its stream the first byte is. A longer line comes out as soon as it is too long. */
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
      const line = this.#endedBy(chunk.subarray(start, end), this.#position + end + 1);
      if (line !== null) lines.push(line);
      start = end + 1;
    }
    const rest = chunk.subarray(start);
    this.#position += chunk.length;
    if (this.#isSkipping || rest.length === 0) return lines;
    if (this.#fits(rest)) {
      this.#held.push(rest);
      this.#heldBytes += rest.length;
    } else {
      lines.push(this.#tooLong(this.#position));
      this.#isSkipping = true;
    }
    return lines;
  }

  /** The last line when the stream ended without a line feed, or null. */
  finish(): SplitLine | null {
    return this.#heldBytes === 0 ? null : { bytes: this.#join(Buffer.alloc(0)), endPosition: this.#position };
  }

  /** Null: the line was told of before. */
  #endedBy(rest: Buffer, endPosition: number): SplitLine | null {
    if (this.#isSkipping) {
      this.#isSkipping = false;
      return null;
    }
    return this.#fits(rest) ? { bytes: this.#join(rest), endPosition } : this.#tooLong(endPosition);
  }

  #join(rest: Buffer): Buffer {
    if (this.#held.length === 0) return rest;
    const bytes = Buffer.concat([...this.#held, rest]);
    this.#drop();
    return bytes;
  }

  #fits(more: Buffer): boolean {
    return this.#heldBytes + more.length <= this.#lineBytesMax;
  }

  #tooLong(endPosition: number): SplitLine {
    this.#drop();
    return { bytes: Buffer.alloc(0), endPosition, longerThan: this.#lineBytesMax };
  }

  #drop(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }
}
