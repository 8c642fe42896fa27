import { type TopicId, zeroTopicId } from "../base/ids.ts";

/**
 * A value that the protocol cannot represent: a string, a number or an id that is too large. It may come from a peer, so it is not a bug in
 * itself: the caller that encodes decides what happens to the message.
 */
export class Unencodable extends Error {
  override readonly name = "Unencodable";
}

const zeroUuid = Buffer.alloc(16);

/** Byte strings from this size on are passed on by reference instead of being copied. */
const referencedBytesMin = 1024;

/** More was written than the writer's limit. */
export class WrittenTooMuch extends Error {
  override readonly name = "WrittenTooMuch";
}

/**
 * Writes the protocol's primitives. Large byte strings are referenced, not copied: they must not change until the chunks have been sent.
 */
export class Writer {
  readonly #done: Buffer[] = [];
  #doneBytes = 0;
  #bytes: Buffer;
  #start = 0;
  #at = 0;
  readonly #maxBytes: number;

  /** `maxBytes`: beyond it, give or take the size of one chunk, WrittenTooMuch is thrown. */
  constructor(initialBytes = 512, maxBytes = Number.POSITIVE_INFINITY) {
    this.#bytes = Buffer.allocUnsafe(initialBytes);
    this.#maxBytes = maxBytes;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#doneBytes + this.#at - this.#start;
  }

  /** Everything written, in order. The writer is not used afterwards. */
  chunks(): Buffer[] {
    this.#cut();
    return this.#done;
  }

  #cut(): void {
    if (this.#at === this.#start) return;
    this.#done.push(this.#bytes.subarray(this.#start, this.#at));
    this.#added(this.#at - this.#start);
    this.#start = this.#at;
  }

  #added(bytes: number): void {
    this.#doneBytes += bytes;
    if (this.#doneBytes > this.#maxBytes) throw new WrittenTooMuch(`longer than ${this.#maxBytes} bytes`);
  }

  #reserve(length: number): number {
    const at = this.#at;
    if (at + length <= this.#bytes.length) {
      this.#at = at + length;
      return at;
    }
    this.#cut();
    this.#bytes = Buffer.allocUnsafe(Math.max(length, Math.min(this.#bytes.length * 2, 64 * 1024)));
    this.#start = 0;
    this.#at = length;
    return 0;
  }

  int8(value: number): void {
    const at = this.#reserve(1);
    this.#bytes.writeInt8(value, at);
  }

  boolean(value: boolean): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value ? 1 : 0;
  }

  int16(value: number): void {
    const at = this.#reserve(2);
    this.#bytes.writeInt16BE(value, at);
  }

  uint16(value: number): void {
    const at = this.#reserve(2);
    this.#bytes.writeUInt16BE(value, at);
  }

  int32(value: number): void {
    const at = this.#reserve(4);
    this.#bytes.writeInt32BE(value, at);
  }

  uint32(value: number): void {
    const at = this.#reserve(4);
    this.#bytes.writeUInt32BE(value, at);
  }

  int64(value: number): void {
    if (!Number.isSafeInteger(value)) throw new Unencodable(`an int64 must be a whole number within 2^53, not ${value}`);
    const at = this.#reserve(8);
    this.#bytes.writeInt32BE(Math.floor(value / 2 ** 32), at);
    this.#bytes.writeUInt32BE(value >>> 0, at + 4);
  }

  float64(value: number): void {
    const at = this.#reserve(8);
    this.#bytes.writeDoubleBE(value, at);
  }

  uuid(value: TopicId): void {
    const bytes = value === zeroTopicId ? zeroUuid : Buffer.from(value, "base64url");
    if (bytes.length !== 16) throw new Unencodable(`a uuid has 16 bytes, not ${bytes.length}`);
    this.raw(bytes);
  }

  unsignedVarint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      const at = this.#reserve(1);
      this.#bytes[at] = (rest & 0x7f) | 0x80;
      rest = Math.floor(rest / 128);
    }
    const at = this.#reserve(1);
    this.#bytes[at] = rest;
  }

  varint(value: number): void {
    this.unsignedVarint(((value << 1) ^ (value >> 31)) >>> 0);
  }

  varlong(value: number): void {
    if (value >= -(2 ** 31) && value < 2 ** 31) return this.varint(value);
    let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
    while (rest > 0x7fn) {
      const at = this.#reserve(1);
      this.#bytes[at] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    const at = this.#reserve(1);
    this.#bytes[at] = Number(rest);
  }

  /** The bytes themselves, without a length before them. */
  raw(bytes: Uint8Array): void {
    if (bytes.length >= referencedBytesMin) {
      this.#cut();
      this.#done.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      this.#added(bytes.length);
      return;
    }
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** UTF-8, without a length before it; `byteLength` must be that of the text. */
  text(value: string, byteLength: number): void {
    const at = this.#reserve(byteLength);
    this.#bytes.write(value, at, byteLength, "utf8");
  }
}
