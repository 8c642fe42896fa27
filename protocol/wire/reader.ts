import { type TopicId, zeroTopicId } from "../base/ids.ts";

/** What a peer sent is not what it claims to be. The connection that it came on must be closed. */
export class MalformedFrame extends Error {
  override readonly name = "MalformedFrame";
}

const zeroUuid = Buffer.alloc(16);

/** The longest string the protocol has, in UTF-8 bytes: its length was 16 bits at first, and compact strings kept the limit. */
export const stringMaxBytes = 0x7fff;

/** U+FFFD, which replaces every byte that is not UTF-8, takes this many bytes when written. */
const replacementBytes = 3;

/** Below what V8 can hold in one string (about 2^29), so that a long text is a malformed frame and not a RangeError. */
const textMaxBytes = 2 ** 28;

/** Reads the protocol's primitives from one frame. Never reads past its end, never allocates more than the frame is long. */
export class Reader {
  readonly #bytes: Buffer;
  #at: number;
  #elements = 0;
  readonly #elementsMax: number;

  /** `elementsMax`: of all lists together, unknown tags included. */
  constructor(bytes: Buffer, at = 0, elementsMax = Number.POSITIVE_INFINITY) {
    this.#bytes = bytes;
    this.#at = at;
    this.#elementsMax = elementsMax;
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length < 0 || length > this.#bytes.length - at)
      throw new MalformedFrame(`wanted ${length} bytes at ${at}, the frame has ${this.#bytes.length}`);
    this.#at = at + length;
    return at;
  }

  /** Elements of lists read so far. */
  get elements(): number {
    return this.#elements;
  }

  /** To be called before `count` elements of a list are read: the smallest of them takes one byte here, and a hundred in memory. */
  expect(count: number): void {
    this.#elements += count;
    if (this.#elements > this.#elementsMax) throw new MalformedFrame("more elements than one message may have");
  }

  int8(): number {
    return this.#bytes.readInt8(this.#take(1));
  }

  boolean(): boolean {
    return this.#bytes[this.#take(1)] !== 0;
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2));
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  /** Offsets, timestamps, ids: refused if a number could not hold them exactly (beyond 2^53). */
  int64(): number {
    const at = this.#take(8);
    const value = this.#bytes.readInt32BE(at) * 2 ** 32 + this.#bytes.readUInt32BE(at + 4);
    if (!Number.isSafeInteger(value)) throw new MalformedFrame(`int64 at ${at} is beyond 2^53`);
    return value;
  }

  /**
   * For values where a client may send any number. Beyond 2^53 it reads as the last exact one, which means the same: "later than
   * everything" or "before everything".
   */
  saturatedInt64(): number {
    const at = this.#take(8);
    const value = this.#bytes.readInt32BE(at) * 2 ** 32 + this.#bytes.readUInt32BE(at + 4);
    return Math.max(Math.min(value, Number.MAX_SAFE_INTEGER), Number.MIN_SAFE_INTEGER);
  }

  float64(): number {
    return this.#bytes.readDoubleBE(this.#take(8));
  }

  uuid(): TopicId {
    const at = this.#take(16);
    const bytes = this.#bytes.subarray(at, at + 16);
    return bytes.equals(zeroUuid) ? zeroTopicId : bytes.toString("base64url");
  }

  unsignedVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes[this.#take(1)] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0xffffffff) break;
        return value;
      }
    }
    throw new MalformedFrame(`varint at ${this.#at} is longer than 32 bits`);
  }

  /** Zigzag-coded, as inside records. */
  varint(): number {
    const raw = this.unsignedVarint();
    return (raw >>> 1) ^ -(raw & 1);
  }

  /** Zigzag-coded 64 bits; refused beyond 2^53. */
  varlong(): number {
    const start = this.#at;
    let raw = 0;
    // seven bytes hold 49 bits, which a number counts exactly
    for (let factor = 1; factor < 2 ** 49; factor *= 128) {
      const byte = this.#bytes[this.#take(1)] as number;
      raw += (byte & 0x7f) * factor;
      if (byte < 0x80) return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2;
    }
    this.#at = start;
    return this.#longVarlong();
  }

  #longVarlong(): number {
    let raw = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#take(1)] as number;
      raw |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        const value = Number((raw >> 1n) ^ -(raw & 1n));
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
    }
    throw new MalformedFrame(`varlong at ${this.#at} is beyond 2^53`);
  }

  skip(length: number): void {
    this.#take(length);
  }

  /** The next `length` bytes as a view on the frame, not a copy. */
  view(length: number): Buffer {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** UTF-8 of any length; invalid bytes are read as U+FFFD. */
  text(length: number): string {
    if (length > textMaxBytes) throw new MalformedFrame(`text of ${length} bytes`);
    const at = this.#take(length);
    return this.#bytes.toString("utf8", at, at + length);
  }

  /**
   * One of the protocol's strings. Refused when it is longer than any may be, or would be once written back: bytes that are not UTF-8 grow
   * when they become U+FFFD, and the name that a peer sent must fit into the answer that repeats it.
   */
  string(length: number): string {
    if (length > stringMaxBytes) throw new MalformedFrame(`string of ${length} bytes, at most ${stringMaxBytes}`);
    const value = this.text(length);
    if (length > stringMaxBytes / replacementBytes && Buffer.byteLength(value) > stringMaxBytes)
      throw new MalformedFrame(`string of ${length} bytes that are not UTF-8`);
    return value;
  }
}
