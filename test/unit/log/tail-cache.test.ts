import fc from "fast-check";
import { expect, test } from "vitest";
import { type PlacedBytes, TailCache, TailCacheBudget } from "../../../broker/log/partition-log/tail-cache.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { SlabPool } from "../../../protocol/wire/slab-pool.ts";
import { recordsIn } from "./log-fixture.ts";

function batch(baseOffset: number, valueBytes: number): Buffer {
  return encodeBatch([{ key: null, value: Buffer.alloc(valueBytes, "v"), headers: [], timestampMs: 1 }], { baseOffset, leaderEpoch: 0 });
}

/** Memory is detached when it is released: whoever still reads it finds nothing. */
const budgetOf = (bytesMax: number) => new TailCacheBudget(bytesMax, new SlabPool({ detachesReleased: true }));

function write(cache: TailCache, bytes: Buffer, baseOffset: number, endOffset: number): void {
  cache.append(cache.place(bytes), baseOffset, endOffset);
}

const everything = { maxBytes: 1e9, endOffsetLimit: 1e9, minOneBatch: true };
const offsets = (cache: TailCache, from: number, options = everything) =>
  recordsIn(cache.read(from, options).chunks).map((record) => record.offset);

test("all tails together stay within the budget; the oldest batches of all go first", () => {
  const budget = budgetOf(300_000);
  const caches = Array.from({ length: 5 }, () => new TailCache(budget));
  for (let offset = 0; offset < 400; offset++) {
    for (const [i, cache] of caches.entries()) {
      if (i === 0 && offset >= 10) continue;
      write(cache, batch(offset, i === 1 ? 40_000 : 100), offset, offset + 1);
      expect(budget.sizeInBytes <= 300_000, `${budget.sizeInBytes} bytes`).toBeTruthy();
    }
  }
  expect(!caches[0]!.covers(9), "the quiet log's tail was the oldest").toBeTruthy();
  expect(caches[1]!.covers(399)).toBeTruthy();
  for (const cache of caches) cache.clear();
  expect(budget.sizeInBytes).toBe(0);
});

test("a batch larger than the whole budget is not kept, and nothing before it is", () => {
  const budget = budgetOf(50_000);
  const cache = new TailCache(budget);
  write(cache, batch(0, 10), 0, 1);
  write(cache, batch(1, 60_000), 1, 2);
  expect(!cache.covers(0) && !cache.covers(1)).toBeTruthy();
  write(cache, batch(2, 10), 2, 3);
  expect(offsets(cache, 2)).toStrictEqual([2]);
});

test("what an append came in is not needed once it is placed", () => {
  const cache = new TailCache(budgetOf(1_000_000));
  for (const valueBytes of [100, 100_000]) {
    const bytes = batch(0, valueBytes);
    const before = Buffer.from(bytes);
    const placed = cache.place(bytes);
    bytes.fill(0xdb);
    expect(placed.bytes.equals(before)).toBe(true);
    cache.append(placed, 0, 1);
    expect(Buffer.concat(cache.read(0, everything).chunks).equals(before)).toBe(true);
    cache.clear();
  }
});

test("a slab is used again when it is evicted, but not while a reader holds a view of it, or a write waits", () => {
  const slabs = new SlabPool();
  const cache = new TailCache(new TailCacheBudget(1_000_000, slabs));
  write(cache, batch(0, 100_000), 0, 1);
  cache.clear();
  expect(slabs.keptBytes, "nobody has seen it").toBe(128 * 1024);
  write(cache, batch(0, 100_000), 0, 1);
  const first = cache.read(0, everything);
  const second = cache.read(0, everything);
  const before = Buffer.from(first.chunks[0]!);
  cache.clear();
  first.release!();
  expect(slabs.keptBytes).toBe(0);
  write(cache, batch(0, 100_001), 0, 1);
  expect(second.chunks[0]!.equals(before)).toBe(true);
  second.release!();
  expect(slabs.keptBytes).toBe(128 * 1024);
  const waits = cache.place(batch(1, 10));
  cache.clear();
  expect(slabs.keptBytes).toBe(128 * 1024);
  cache.append(waits, 1, 2);
  expect(offsets(cache, 1)).toStrictEqual([1]);
  expect(cache.covers(0)).toBe(false);
  cache.clear();
});

test("memory that is in no tail, and that no write holds, is not held for the next append", () => {
  const slabs = new SlabPool();
  const cache = new TailCache(new TailCacheBudget(0, slabs));
  for (let offset = 0; offset < 10; offset++) {
    write(cache, batch(offset, 100), offset, offset + 1);
    expect(cache.covers(offset)).toBe(false);
  }
  expect(slabs.keptBytes).toBeGreaterThan(0);
});

test("reads are views, not copies", () => {
  const cache = new TailCache(budgetOf(1_000_000));
  const placed = cache.place(batch(0, 100_000));
  cache.append(placed, 0, 1);
  expect(cache.read(0, everything).chunks[0]!.buffer).toBe(placed.bytes.buffer);
});

test("many small batches come out in few chunks", () => {
  const cache = new TailCache(budgetOf(1_000_000));
  for (let offset = 0; offset < 1000; offset++) write(cache, batch(offset, 30), offset, offset + 1);
  const { chunks } = cache.read(0, everything);
  expect(chunks.length < 10, `${chunks.length} chunks`).toBeTruthy();
  expect(recordsIn(chunks).length).toBe(1000);
});

test("what a reader holds does not change when the tail is cut and grows again", () => {
  const cache = new TailCache(budgetOf(1_000_000));
  for (let offset = 0; offset < 10; offset++) write(cache, batch(offset, 30), offset, offset + 1);
  const { chunks } = cache.read(0, everything);
  const before = Buffer.concat(chunks);
  cache.truncateTo(5);
  expect(offsets(cache, 2)).toStrictEqual([2, 3, 4]);
  expect(!cache.covers(5)).toBeTruthy();
  for (let offset = 5; offset < 10; offset++) write(cache, batch(offset, 31), offset, offset + 1);
  expect(Buffer.concat(chunks)).toStrictEqual(before);
  expect(offsets(cache, 4)).toStrictEqual([4, 5, 6, 7, 8, 9]);
  cache.truncateTo(0);
  expect(!cache.covers(0)).toBeTruthy();
});

test("limits: whole batches within the bytes, below the offset limit, one at least when asked", () => {
  const cache = new TailCache(budgetOf(1_000_000));
  for (let offset = 0; offset < 10; offset++) write(cache, batch(offset, 30), offset, offset + 1);
  const { length } = batch(0, 30);
  expect(offsets(cache, 3, { maxBytes: length * 2, endOffsetLimit: 100, minOneBatch: false })).toStrictEqual([3, 4]);
  expect(offsets(cache, 3, { maxBytes: length * 2 - 1, endOffsetLimit: 100, minOneBatch: false })).toStrictEqual([3]);
  expect(offsets(cache, 3, { maxBytes: 1, endOffsetLimit: 100, minOneBatch: false })).toStrictEqual([]);
  expect(offsets(cache, 3, { maxBytes: 1, endOffsetLimit: 100, minOneBatch: true })).toStrictEqual([3]);
  expect(offsets(cache, 3, { maxBytes: 1e9, endOffsetLimit: 5, minOneBatch: true })).toStrictEqual([3, 4]);
  expect(offsets(cache, 5, { maxBytes: 1e9, endOffsetLimit: 5, minOneBatch: true })).toStrictEqual([]);
});

test("whatever is written, evicted, cut and read in whichever order: what is read is what was written", () => {
  const act = fc.record({
    log: fc.nat(2),
    kind: fc.constantFrom("place", "place", "write", "write", "read", "release", "cut", "forget"),
    size: fc.constantFrom(1, 500, 3000, 20_000, 70_000, 300_000),
  });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 200 }), fc.constantFrom(0, 20_000, 300_000, 1_000_000), (acts, bytesMax) => {
      const budget = budgetOf(bytesMax);
      const logs = [0, 1, 2].map(() => new LogModel(budget));
      for (const { log, kind, size } of acts) logs[log]![kind](size);
      for (const log of logs) log.check();
      expect(budget.sizeInBytes).toBeLessThanOrEqual(bytesMax);
      for (const log of logs) log.clear();
      expect(budget.sizeInBytes).toBe(0);
    }),
  );
});

/** What a log's tail must give, and what its readers hold. */
class LogModel {
  readonly #cache: TailCache;
  readonly #batches: Buffer[] = [];
  #waiting: { readonly placed: PlacedBytes; readonly offset: number }[] = [];
  #writtenEnd = 0;
  #held: { readonly chunks: readonly Buffer[]; readonly copy: Buffer; readonly release: () => void }[] = [];

  constructor(budget: TailCacheBudget) {
    this.#cache = new TailCache(budget);
  }

  place(size: number): void {
    const bytes = batch(this.#batches.length, size);
    const placed = this.#cache.place(bytes);
    this.#waiting.push({ placed, offset: this.#batches.length });
    this.#batches.push(Buffer.from(bytes));
    bytes.fill(0xdb);
  }

  write(): void {
    const first = this.#waiting.shift();
    if (first === undefined) return;
    expect(first.placed.bytes.equals(this.#batches[first.offset]!), "what is written is what was placed").toBe(true);
    this.#cache.append(first.placed, first.offset, first.offset + 1);
    this.#writtenEnd = first.offset + 1;
  }

  read(): void {
    for (let offset = 0; offset < this.#batches.length; offset++) {
      if (!this.#cache.covers(offset)) continue;
      expect(offset).toBeLessThan(this.#writtenEnd);
      const { chunks, release } = this.#cache.read(offset, everything);
      const copy = Buffer.concat(chunks);
      expect(copy.equals(Buffer.concat(this.#batches.slice(offset, this.#writtenEnd)))).toBe(true);
      this.#held.push({ chunks, copy, release: release! });
      return;
    }
  }

  cut(size: number): void {
    while (this.#waiting.length > 0) this.write();
    const end = Math.max(0, this.#writtenEnd - (size % 5));
    this.#cache.truncateTo(end);
    this.#batches.length = end;
    this.#writtenEnd = end;
  }

  forget(size: number): void {
    this.#cache.forgetBefore(Math.max(0, this.#writtenEnd - (size % 3)));
  }

  check(): void {
    this.read();
    for (const { chunks, copy } of this.#held)
      expect(Buffer.concat(chunks).equals(copy), "a reader's bytes do not change before it releases them").toBe(true);
  }

  release(size: number): void {
    for (const { release } of this.#held.splice(0, 1 + (size % 2))) release();
  }

  clear(): void {
    while (this.#waiting.length > 0) this.write();
    this.#cache.clear();
  }
}
