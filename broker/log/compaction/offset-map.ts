import { invariant } from "../../../protocol/base/invariant.ts";
import { hashKey } from "./key-hash.ts";

/** 16 bytes of the key's hash, 8 of the offset. */
export const offsetMapEntryBytes = 24;
const hashWords = 4;

/** The last offset of each key seen, in a fixed amount of memory: open addressing over the keys' hashes. Keys themselves are not kept. */
export class OffsetMap {
  /** Keys that it takes. */
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

  /** False: the key is new and there is no room for it. Offsets of a key only rise. */
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
