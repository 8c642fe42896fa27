import { invariant } from "../../../protocol/base/invariant.ts";

/** 16 bytes of the key's hash, 8 of the offset. */
export const offsetMapEntryBytes = 24;
const hashWords = 4;

/** The last offset of each key seen, in a fixed amount of memory: open addressing over the keys' hashes. Keys themselves are not kept. */
export class OffsetMap {
  /** Keys that fit. */
  readonly keysMax: number;
  readonly #slots: number;
  readonly #hashes: Int32Array;
  /** Offset + 1; 0: the slot is free. */
  readonly #offsets: Float64Array;
  readonly #wanted = new Int32Array(hashWords);
  #keys = 0;

  constructor(slots: number, loadFactor: number) {
    invariant(slots >= 1 && loadFactor > 0 && loadFactor <= 1, "a map has room", () => ({ slots, loadFactor }));
    // one slot stays free, so that every search ends
    this.keysMax = Math.max(Math.floor(slots * loadFactor), 1);
    this.#slots = Math.max(slots, this.keysMax + 1);
    this.#hashes = new Int32Array(this.#slots * hashWords);
    this.#offsets = new Float64Array(this.#slots);
  }

  /** For the keys of `offsets` records at most, and never beyond `bytesMax`. */
  static within(bytesMax: number, loadFactor: number, offsets: number): OffsetMap {
    const slotsWanted = Math.ceil(offsets / loadFactor) + 1;
    return new OffsetMap(Math.max(Math.min(slotsWanted, Math.floor(bytesMax / offsetMapEntryBytes)), 1), loadFactor);
  }

  get keys(): number {
    return this.#keys;
  }

  get sizeInBytes(): number {
    return this.#slots * offsetMapEntryBytes;
  }

  /** False: the key is new and there is no room for it. A key's offsets only rise. */
  put(key: Uint8Array, offset: number): boolean {
    const slot = this.#find(key);
    if (this.#offsets[slot] === 0) {
      if (this.#keys >= this.keysMax) return false;
      this.#keys++;
      this.#hashes.set(this.#wanted, slot * hashWords);
    }
    this.#offsets[slot] = offset + 1;
    return true;
  }

  /** The key's last offset, or -1. */
  get(key: Uint8Array): number {
    return this.#offsets[this.#find(key)]! - 1;
  }

  /** The key's slot, or the free one where it belongs. Its hash is in `#wanted`. */
  #find(key: Uint8Array): number {
    const wanted = this.#wanted;
    const hashes = this.#hashes;
    hashKey(key, wanted);
    const [w0, w1, w2, w3] = [wanted[0]!, wanted[1]!, wanted[2]!, wanted[3]!];
    let slot = (w0 >>> 0) % this.#slots;
    for (;;) {
      if (this.#offsets[slot] === 0) return slot;
      const at = slot * hashWords;
      if (hashes[at] === w0 && hashes[at + 1] === w1 && hashes[at + 2] === w2 && hashes[at + 3] === w3) return slot;
      slot = slot + 1 === this.#slots ? 0 : slot + 1;
    }
  }
}

/**
 * 128 bits of a key, as four words: MurmurHash3 (x86, 128 bits). Two keys with the same hash would be taken for one and the older record
 * lost: with a billion keys in one pass the odds are below one in 10^20. It need not resist an attacker: a client that can write keys of
 * its choice to a topic can overwrite any key there anyway.
 * Computed here, as a call into native code costs ten times the hash of a short key.
 */
export function hashKey(key: Uint8Array, hash: Int32Array, seed = 0): void {
  let [h1, h2, h3, h4] = [seed, seed, seed, seed];
  const wholeBytes = key.length & ~15;
  let at = 0;
  for (; at < wholeBytes; at += 16) {
    h1 ^= mix1(wordAt(key, at));
    h1 = (Math.imul((rotate(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0;
    h2 ^= mix2(wordAt(key, at + 4));
    h2 = (Math.imul((rotate(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0;
    h3 ^= mix3(wordAt(key, at + 8));
    h3 = (Math.imul((rotate(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0;
    h4 ^= mix4(wordAt(key, at + 12));
    h4 = (Math.imul((rotate(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0;
  }
  const left = key.length - at;
  if (left > 12) h4 ^= mix4(partialWordAt(key, at + 12));
  if (left > 8) h3 ^= mix3(partialWordAt(key, at + 8));
  if (left > 4) h2 ^= mix2(partialWordAt(key, at + 4));
  if (left > 0) h1 ^= mix1(partialWordAt(key, at));

  h1 ^= key.length;
  h2 ^= key.length;
  h3 ^= key.length;
  h4 ^= key.length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = avalanche(h1);
  h2 = avalanche(h2);
  h3 = avalanche(h3);
  h4 = avalanche(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  hash[0] = h1;
  hash[1] = h2 + h1;
  hash[2] = h3 + h1;
  hash[3] = h4 + h1;
}

const [c1, c2, c3, c4] = [0x239b961b, 0xab0e9789, 0x38b34ae5, 0xa1e38b93];

function mix1(word: number): number {
  return Math.imul(rotate(Math.imul(word, c1), 15), c2);
}

function mix2(word: number): number {
  return Math.imul(rotate(Math.imul(word, c2), 16), c3);
}

function mix3(word: number): number {
  return Math.imul(rotate(Math.imul(word, c3), 17), c4);
}

function mix4(word: number): number {
  return Math.imul(rotate(Math.imul(word, c4), 18), c1);
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

/** Little-endian. */
function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** Bytes past the end count as 0. */
function partialWordAt(bytes: Uint8Array, at: number): number {
  let word = 0;
  for (let i = Math.min(bytes.length - at, 4) - 1; i >= 0; i--) word = (word << 8) | bytes[at + i]!;
  return word;
}

function avalanche(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
