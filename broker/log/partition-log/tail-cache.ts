import { invariant } from "../../../protocol/base/invariant.ts";
import { batchSizeAt, lastOffsetAt } from "../../../protocol/records/batch-header.ts";
import type { ReadOptions, ReadResult } from "../log-contract.ts";

/** From this size on appended bytes are kept as they came; smaller ones are copied together. */
const referencedBytesMin = 32 * 1024;
const slabBytesMin = 4 * 1024;
const slabBytesMax = 64 * 1024;

/** A run of whole batches in memory. `bytes` may have room after `length` for more. */
interface Block {
  readonly owner: TailCache;
  readonly bytes: Buffer;
  length: number;
  baseOffset: number;
  endOffset: number;
  /** No more is added: a reader may hold its bytes beyond `length`. */
  closed: boolean;
  older: Block | null;
  newer: Block | null;
}

/** The memory that all tails of a broker may take together; the oldest block is evicted. */
export class TailCacheBudget {
  readonly bytesMax: number;
  #oldest: Block | null = null;
  #newest: Block | null = null;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get sizeInBytes(): number {
    return this.#bytes;
  }

  add(block: Block): void {
    block.older = this.#newest;
    if (this.#newest === null) this.#oldest = block;
    else this.#newest.newer = block;
    this.#newest = block;
    this.#bytes += block.bytes.length;
    while (this.#bytes > this.bytesMax && this.#oldest !== null) this.#oldest.owner.dropOldest(this.#oldest);
  }

  remove(block: Block): void {
    if (block.older === null) this.#oldest = block.newer;
    else block.older.newer = block.newer;
    if (block.newer === null) this.#newest = block.older;
    else block.newer.older = block.older;
    block.older = block.newer = null;
    this.#bytes -= block.bytes.length;
    invariant(this.#bytes >= 0, "the tail cache's size is what its blocks add up to");
  }
}

/**
 * The last batches written to a log, in memory, without a gap up to the written end. Reads return views: bytes once added never change.
 * Small appends are copied into slabs: a view on a network buffer would keep all of that buffer alive, and many small pieces cost more to
 * send than a few large ones.
 */
export class TailCache {
  readonly #budget: TailCacheBudget;
  /** Oldest first, from `#first` on; what is before it was dropped. */
  #blocks: (Block | null)[] = [];
  #first = 0;
  #slabBytes = slabBytesMin;

  constructor(budget: TailCacheBudget) {
    this.#budget = budget;
  }

  covers(offset: number): boolean {
    const [first, last] = [this.#blocks[this.#first], this.#blocks.at(-1)];
    return first != null && last != null && offset >= first.baseOffset && offset < last.endOffset;
  }

  /**
   * Whole batches, just written, that continue what is cached. If they exceed the whole budget, neither they nor what came before them is
   * kept.
   */
  append(bytes: Buffer, baseOffset: number, endOffset: number): void {
    const last = this.#blocks.at(-1);
    invariant(last == null || last.endOffset === baseOffset, "the tail has no gap", () => ({ expected: last?.endOffset, baseOffset }));
    if (bytes.length > this.#budget.bytesMax) {
      this.clear();
      return;
    }
    if (bytes.length >= referencedBytesMin && bytes.length * 2 >= bytes.buffer.byteLength) {
      this.#add(bytes, bytes.length, baseOffset, endOffset);
      return;
    }
    if (last != null && !last.closed && last.bytes.length - last.length >= bytes.length) {
      bytes.copy(last.bytes, last.length);
      last.length += bytes.length;
      last.endOffset = endOffset;
      return;
    }
    const slab = Buffer.allocUnsafeSlow(Math.max(this.#slabBytes, bytes.length));
    this.#slabBytes = Math.min(this.#slabBytes * 2, slabBytesMax);
    bytes.copy(slab);
    this.#add(slab, bytes.length, baseOffset, endOffset);
  }

  /** Whole batches from the one with `fromOffset` on, as in `Log.read`. `fromOffset` must be covered. */
  read(fromOffset: number, { maxBytes, endOffsetLimit, minOneBatch }: ReadOptions): ReadResult {
    const chunks: Buffer[] = [];
    let sizeInBytes = 0;
    for (let i = this.#blockWith(fromOffset); i < this.#blocks.length; i++) {
      const block = this.#blocks[i]!;
      const from = chunks.length === 0 ? positionOf(block, fromOffset) : 0;
      const limits = { bytesLeft: maxBytes - sizeInBytes, endOffsetLimit, takeFirst: minOneBatch && sizeInBytes === 0 };
      const to = endOfWhole(block, from, limits);
      if (to > from) chunks.push(block.bytes.subarray(from, to));
      sizeInBytes += to - from;
      if (to < block.length) break;
    }
    return { chunks, sizeInBytes };
  }

  /** Forgets batches from `endOffset` on, a batch's first offset. */
  truncateTo(endOffset: number): void {
    while (this.#blocks.length > this.#first) {
      const last = this.#blocks.at(-1)!;
      if (last.endOffset <= endOffset) return;
      if (last.baseOffset >= endOffset) {
        this.#blocks.pop();
        this.#budget.remove(last);
        continue;
      }
      last.length = positionOf(last, endOffset);
      last.endOffset = endOffset;
      last.closed = true;
      return;
    }
    this.clear();
  }

  /** Forgets batches that end at or below `offset`: the files have fewer of them now. */
  forgetBefore(offset: number): void {
    for (let first = this.#blocks[this.#first]; first != null && first.endOffset <= offset; first = this.#blocks[this.#first])
      this.dropOldest(first);
    const first = this.#blocks[this.#first];
    if (first != null) first.baseOffset = Math.max(first.baseOffset, offset);
  }

  clear(): void {
    for (let i = this.#first; i < this.#blocks.length; i++) this.#budget.remove(this.#blocks[i]!);
    this.#blocks = [];
    this.#first = 0;
  }

  /** Called by the budget. */
  dropOldest(block: Block): void {
    invariant(this.#blocks[this.#first] === block, "a tail is dropped from its old end");
    this.#blocks[this.#first++] = null;
    this.#budget.remove(block);
    if (this.#first * 2 >= this.#blocks.length) {
      this.#blocks = this.#blocks.slice(this.#first);
      this.#first = 0;
    }
  }

  #add(bytes: Buffer, length: number, baseOffset: number, endOffset: number): void {
    const previous = this.#blocks.at(-1);
    if (previous != null) previous.closed = true;
    const block: Block = { owner: this, bytes, length, baseOffset, endOffset, closed: false, older: null, newer: null };
    this.#blocks.push(block);
    this.#budget.add(block);
  }

  #blockWith(offset: number): number {
    invariant(this.covers(offset), "only what is cached is read from the cache", () => ({ offset }));
    let [low, high] = [this.#first, this.#blocks.length - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#blocks[middle]!.endOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Where the batch that has `offset` (or the next one, where compaction removed it) starts. */
function positionOf(block: Block, offset: number): number {
  let at = 0;
  while (at < block.length && lastOffsetAt(block.bytes, at) < offset) at += batchSizeAt(block.bytes, at);
  return at;
}

interface Limits {
  readonly bytesLeft: number;
  readonly endOffsetLimit: number;
  readonly takeFirst: boolean;
}

/** Where the whole batches from `from` on end that are within the limits. */
function endOfWhole(block: Block, from: number, { bytesLeft, endOffsetLimit, takeFirst }: Limits): number {
  if (block.endOffset <= endOffsetLimit && block.length - from <= bytesLeft) return block.length;
  let to = from;
  while (to < block.length) {
    const sizeInBytes = batchSizeAt(block.bytes, to);
    if (lastOffsetAt(block.bytes, to) >= endOffsetLimit) break;
    if (to + sizeInBytes - from > bytesLeft && !(takeFirst && to === from)) break;
    to += sizeInBytes;
  }
  return to;
}
