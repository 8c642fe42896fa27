import { MalformedFrame } from "../wire/reader.ts";
import { recordHeadersMax } from "./record.ts";

/**
 * Reads the primitives of records. Separate from the frame's Reader because a batch has thousands of them: common values need no BigInt.
 */
export class RecordCursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  /** Where `length` bytes from here end; they are known to be there. */
  mark(length: number): number {
    if (length < 0 || length > this.remaining) throw new MalformedFrame(`${length} bytes wanted, ${this.remaining} left`);
    return this.#at + length;
  }

  /** Moves to a place that `mark` or `position` returned. */
  moveTo(position: number): void {
    this.#at = position;
  }

  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new MalformedFrame("record is cut off");
    this.#at++;
    return byte;
  }

  /** Zigzag, 32 bits. */
  varint(): number {
    const value = this.varlong();
    if (value < -(2 ** 31) || value >= 2 ** 31) throw new MalformedFrame(`varint ${value} is longer than 32 bits`);
    return value;
  }

  /** Zigzag, 64 bits; refused beyond 2^53. */
  varlong(): number {
    // nearly all take one byte or two
    const bytes = this.#bytes;
    const at = this.#at;
    const first = bytes[at];
    if (first !== undefined && first < 0x80) {
      this.#at = at + 1;
      return (first >>> 1) ^ -(first & 1);
    }
    const second = bytes[at + 1];
    if (first !== undefined && second !== undefined && second < 0x80) {
      this.#at = at + 2;
      const raw = (first & 0x7f) | (second << 7);
      return (raw >>> 1) ^ -(raw & 1);
    }
    return this.#anyVarlong();
  }

  #anyVarlong(): number {
    let raw = 0;
    let scale = 1;
    // seven bytes hold 49 bits: exact in a number
    for (let i = 0; i < 7; i++) {
      const byte = this.byte();
      raw += (byte & 0x7f) * scale;
      if (byte < 0x80) return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2;
      scale *= 128;
    }
    return this.#longVarlong(BigInt(raw));
  }

  #longVarlong(low: bigint): number {
    let raw = low;
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      raw |= BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      const value = Number((raw >> 1n) ^ -(raw & 1n));
      if (!Number.isSafeInteger(value)) break;
      return value;
    }
    throw new MalformedFrame("varlong beyond 2^53");
  }

  nullableBytes(): Buffer | null {
    const length = this.varint();
    if (length === -1) return null;
    const end = this.mark(length);
    const view = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return view;
  }

  /** False: null. */
  skipNullableBytes(): boolean {
    const length = this.varint();
    if (length === -1) return false;
    this.#at = this.mark(length);
    return true;
  }

  /** How many headers follow. */
  headersCount(): number {
    const count = this.varint();
    // a header takes at least two bytes, so a larger count is wrong; nothing is allocated for it
    if (count < 0 || count * 2 > this.remaining) throw new MalformedFrame(`${count} headers with ${this.remaining} bytes left`);
    if (count > recordHeadersMax) throw new MalformedFrame(`a record with ${count} headers, at most ${recordHeadersMax} are taken`);
    return count;
  }

  /** So many headers: a key, which is not null, and a value. Short ones are read without a call each, since a batch may have millions. */
  skipHeaders(count: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (let i = 0; i < count; i++) {
      // an even first byte below 128 is a length of 0 to 63, 1 is null. A length that leads beyond the end finds no next byte, or is
      // detected at the end
      const keyLength = bytes[at];
      if (keyLength !== undefined && keyLength < 0x80 && (keyLength & 1) === 0) at += 1 + (keyLength >>> 1);
      else {
        this.#at = at;
        if (!this.skipNullableBytes()) throw new MalformedFrame("a header without a key");
        at = this.#at;
      }
      const valueLength = bytes[at];
      if (valueLength === 1) at++;
      else if (valueLength !== undefined && valueLength < 0x80 && (valueLength & 1) === 0) at += 1 + (valueLength >>> 1);
      else {
        this.#at = at;
        this.skipNullableBytes();
        at = this.#at;
      }
    }
    if (at > bytes.length) throw new MalformedFrame("a header is cut off");
    this.#at = at;
  }

  text(): string {
    const end = this.mark(this.varint());
    const value = this.#bytes.toString("utf8", this.#at, end);
    this.#at = end;
    return value;
  }
}
