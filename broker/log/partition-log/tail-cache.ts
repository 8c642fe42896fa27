import { invariant } from "../../../protocol/base/invariant.ts";
import { batchSizeAt, lastOffsetAt } from "../../../protocol/records/batch-header.ts";
import type { Slab, SlabPool } from "../../../protocol/wire/slab-pool.ts";
import type { ReadOptions, ReadResult } from "../log-contract.ts";

/** A log's first slab, and how large they become in a log that fills them: but never a large part of all the tails' memory. */
const slabBytesMin = 4 * 1024;
const slabBytesMax = 256 * 1024;
const slabShareMax = 1 / 64;

/** Whole batches in a slab of one log alone: those from `start` to `end` are its tail's, those from there to `filled` are only placed. */
interface Block {
  readonly owner: TailCache;
  readonly slab: Slab;
  start: number;
  end: number;
  filled: number;
  baseOffset: number;
  endOffset: number;
  /** Placed, and not in the tail yet. */
  unwritten: number;
  isInTail: boolean;
  /** Readers that may hold its bytes. */
  readers: number;
  older: Block | null;
  newer: Block | null;
}

/** Bytes in a log's own memory, to be written to its file from there. */
export interface PlacedBytes {
  readonly bytes: Buffer;
  readonly block: Block;
  readonly at: number;
}

/** The memory that all tails of a broker may take together; the oldest block is evicted. */
export class TailCacheBudget {
  readonly bytesMax: number;
  readonly slabs: SlabPool;
  #oldest: Block | null = null;
  #newest: Block | null = null;
  #bytes = 0;

  constructor(bytesMax: number, slabs: SlabPool) {
    this.bytesMax = bytesMax;
    this.slabs = slabs;
  }

  get sizeInBytes(): number {
    return this.#bytes;
  }

  add(block: Block): void {
    block.older = this.#newest;
    if (this.#newest === null) this.#oldest = block;
    else this.#newest.newer = block;
    this.#newest = block;
    this.#bytes += block.slab.bytes.length;
    while (this.#bytes > this.bytesMax && this.#oldest !== null) this.#oldest.owner.dropOldest(this.#oldest);
  }

  remove(block: Block): void {
    if (block.older === null) this.#oldest = block.newer;
    else block.older.newer = block.newer;
    if (block.newer === null) this.#newest = block.older;
    else block.newer.older = block.older;
    block.older = block.newer = null;
    this.#bytes -= block.slab.bytes.length;
    invariant(this.#bytes >= 0, "the tail cache's size is what its blocks add up to");
  }
}

/**
 * A log's own memory for what is appended. It is copied there, written to the file from there, and then stays as the log's tail: its last
 * batches, without a gap up to the written end. Thus the memory that an append came in is free at once, whatever the disk does.
 *
 * Reads return views: bytes once written never change. A slab is used again once it is evicted and every reader has released what it was
 * given; where one never does, it is left to the garbage collector. While something in it waits to be written it is not used again either,
 * even if the disk has failed. Otherwise (1) a write stalls, and the log gives up; (2) its slab is used again; (3) the write goes on, and
 * puts another partition's batches, sound as they are, into this one's file.
 */
export class TailCache {
  readonly #budget: TailCacheBudget;
  /** Oldest first, from `#first` on; what is before it was dropped. */
  #blocks: (Block | null)[] = [];
  #first = 0;
  /** Where the next append is placed, if it has room. */
  #open: Block | null = null;
  #slabBytes = slabBytesMin;

  constructor(budget: TailCacheBudget) {
    this.#budget = budget;
  }

  covers(offset: number): boolean {
    const [first, last] = [this.#blocks[this.#first], this.#blocks.at(-1)];
    return first != null && last != null && offset >= first.baseOffset && offset < last.endOffset;
  }

  /** Copies whole batches. Once they are written, and in the same order, `append` makes them part of the tail. */
  place(bytes: Buffer): PlacedBytes {
    const block = this.#openWithRoomFor(bytes.length);
    const { slab, filled: at } = block;
    bytes.copy(slab.bytes, at);
    block.filled += bytes.length;
    block.unwritten++;
    return { bytes: slab.bytes.subarray(at, at + bytes.length), block, at };
  }

  /**
   * Whole batches, just written, that continue what is cached. If their slab exceeds the whole budget, neither they nor what came before
   * them is kept.
   */
  append({ bytes, block, at }: PlacedBytes, baseOffset: number, endOffset: number): void {
    const last = this.#blocks.at(-1);
    invariant(last == null || last.endOffset === baseOffset, "the tail has no gap", () => ({ expected: last?.endOffset, baseOffset }));
    invariant(block.owner === this && block.unwritten > 0, "what was placed here is written once");
    block.unwritten--;
    if (block.isInTail) {
      invariant(block === last && block.end === at, "what is written follows what was written before");
      block.end = at + bytes.length;
      block.endOffset = endOffset;
    } else if (block.slab.bytes.length > this.#budget.bytesMax) {
      this.clear();
      this.#reuse(block);
    } else this.#add(block, { start: at, end: at + bytes.length, baseOffset, endOffset });
  }

  /** Whole batches from the one with `fromOffset` on, as in `Log.read`. `fromOffset` must be covered. */
  read(fromOffset: number, { maxBytes, endOffsetLimit, minOneBatch }: ReadOptions): ReadResult {
    const chunks: Buffer[] = [];
    const blocks: Block[] = [];
    let sizeInBytes = 0;
    for (let i = this.#blockWith(fromOffset); i < this.#blocks.length; i++) {
      const block = this.#blocks[i]!;
      const from = chunks.length === 0 ? positionOf(block, fromOffset) : block.start;
      const limits = { bytesLeft: maxBytes - sizeInBytes, endOffsetLimit, takeFirst: minOneBatch && sizeInBytes === 0 };
      const to = endOfWhole(block, from, limits);
      if (to > from) {
        chunks.push(block.slab.bytes.subarray(from, to));
        blocks.push(block);
        block.readers++;
      }
      sizeInBytes += to - from;
      if (to < block.end) break;
    }
    return { chunks, sizeInBytes, release: () => this.#readBy(blocks) };
  }

  #readBy(blocks: readonly Block[]): void {
    for (const block of blocks) {
      invariant(block.readers > 0, "what was read is released once");
      block.readers--;
      this.#reuse(block);
    }
  }

  /** Forgets batches from `endOffset` on, a batch's first offset. Nothing waits to be written. */
  truncateTo(endOffset: number): void {
    this.#open = null;
    while (this.#blocks.length > this.#first) {
      const last = this.#blocks.at(-1)!;
      if (last.endOffset <= endOffset) return;
      if (last.baseOffset >= endOffset) {
        this.#blocks.pop();
        this.#leave(last);
        continue;
      }
      last.end = positionOf(last, endOffset);
      last.endOffset = endOffset;
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
    const blocks = this.#blocks.slice(this.#first) as Block[];
    this.#blocks = [];
    this.#first = 0;
    for (const block of blocks) this.#leave(block);
  }

  /** Called by the budget. */
  dropOldest(block: Block): void {
    invariant(this.#blocks[this.#first] === block, "a tail is dropped from its old end");
    this.#blocks[this.#first++] = null;
    this.#leave(block);
    if (this.#first * 2 >= this.#blocks.length) {
      this.#blocks = this.#blocks.slice(this.#first);
      this.#first = 0;
    }
  }

  #openWithRoomFor(bytes: number): Block {
    const open = this.#open;
    if (open !== null && open.slab.bytes.length - open.filled >= bytes) return open;
    const slab = this.#budget.slabs.take(Math.max(this.#slabBytes, bytes));
    if (this.#slabBytes < Math.min(slabBytesMax, this.#budget.bytesMax * slabShareMax)) this.#slabBytes *= 2;
    const nothing = { start: 0, end: 0, filled: 0, baseOffset: 0, endOffset: 0, unwritten: 0 };
    this.#open = { owner: this, slab, ...nothing, isInTail: false, readers: 0, older: null, newer: null };
    return this.#open;
  }

  #add(block: Block, part: Pick<Block, "start" | "end" | "baseOffset" | "endOffset">): void {
    Object.assign(block, part);
    block.isInTail = true;
    this.#blocks.push(block);
    this.#budget.add(block);
  }

  #leave(block: Block): void {
    block.isInTail = false;
    this.#budget.remove(block);
    this.#reuse(block);
  }

  /** Unless it is needed: memory that is in no tail, and that no write holds, would be counted nowhere. */
  #reuse(block: Block): void {
    if (block.isInTail || block.unwritten > 0) return;
    if (block === this.#open) this.#open = null;
    if (block.readers === 0) block.slab.release();
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
  const { bytes } = block.slab;
  let at = block.start;
  while (at < block.end && lastOffsetAt(bytes, at) < offset) at += batchSizeAt(bytes, at);
  return at;
}

interface Limits {
  readonly bytesLeft: number;
  readonly endOffsetLimit: number;
  readonly takeFirst: boolean;
}

/** Where the whole batches from `from` on end that are within the limits. */
function endOfWhole(block: Block, from: number, { bytesLeft, endOffsetLimit, takeFirst }: Limits): number {
  const { end, endOffset } = block;
  const { bytes } = block.slab;
  if (endOffset <= endOffsetLimit && end - from <= bytesLeft) return end;
  let to = from;
  while (to < end) {
    const sizeInBytes = batchSizeAt(bytes, to);
    if (lastOffsetAt(bytes, to) >= endOffsetLimit) break;
    if (to + sizeInBytes - from > bytesLeft && !(takeFirst && to === from)) break;
    to += sizeInBytes;
  }
  return to;
}
