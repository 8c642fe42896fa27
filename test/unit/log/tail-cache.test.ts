import { expect, test } from "vitest";
import { TailCache, TailCacheBudget } from "../../../broker/log/partition-log/tail-cache.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { recordsIn } from "./log-fixture.ts";

function batch(baseOffset: number, valueBytes: number): Buffer {
  return encodeBatch([{ key: null, value: Buffer.alloc(valueBytes, "v"), headers: [], timestampMs: 1 }], { baseOffset, leaderEpoch: 0 });
}

const everything = { maxBytes: 1e9, endOffsetLimit: 1e9, minOneBatch: true };
const offsets = (cache: TailCache, from: number, options = everything) =>
  recordsIn(cache.read(from, options).chunks).map((record) => record.offset);

test("all tails together stay within the budget; the oldest batches of all go first", () => {
  const budget = new TailCacheBudget(300_000);
  const caches = Array.from({ length: 5 }, () => new TailCache(budget));
  for (let offset = 0; offset < 400; offset++) {
    for (const [i, cache] of caches.entries()) {
      if (i === 0 && offset >= 10) continue;
      cache.append(batch(offset, i === 1 ? 40_000 : 100), offset, offset + 1);
      expect(budget.sizeInBytes <= 300_000, `${budget.sizeInBytes} bytes`).toBeTruthy();
    }
  }
  expect(!caches[0]!.covers(9), "the quiet log's tail was the oldest").toBeTruthy();
  expect(caches[1]!.covers(399)).toBeTruthy();
  for (const cache of caches) cache.clear();
  expect(budget.sizeInBytes).toBe(0);
});

test("a batch larger than the whole budget is not kept, and nothing before it is", () => {
  const budget = new TailCacheBudget(50_000);
  const cache = new TailCache(budget);
  cache.append(batch(0, 10), 0, 1);
  cache.append(batch(1, 60_000), 1, 2);
  expect(!cache.covers(0) && !cache.covers(1)).toBeTruthy();
  cache.append(batch(2, 10), 2, 3);
  expect(offsets(cache, 2)).toStrictEqual([2]);
});

test("a small batch does not keep the network buffer it came in", () => {
  const frame = Buffer.alloc(1_000_000);
  const small = batch(0, 100);
  small.copy(frame, 500);
  const cache = new TailCache(new TailCacheBudget(1_000_000));
  cache.append(frame.subarray(500, 500 + small.length), 0, 1);
  const [chunk] = cache.read(0, everything).chunks;
  expect(chunk!.buffer).not.toBe(frame.buffer);
  expect(chunk!.buffer.byteLength).toBeLessThan(10_000);
});

test("large appends are kept as they came, and reads are views, not copies", () => {
  const cache = new TailCache(new TailCacheBudget(1_000_000));
  const large = batch(0, 100_000);
  cache.append(large, 0, 1);
  expect(cache.read(0, everything).chunks[0]!.buffer).toBe(large.buffer);
});

test("many small batches come out in few chunks", () => {
  const cache = new TailCache(new TailCacheBudget(1_000_000));
  for (let offset = 0; offset < 1000; offset++) cache.append(batch(offset, 30), offset, offset + 1);
  const { chunks } = cache.read(0, everything);
  expect(chunks.length < 10, `${chunks.length} chunks`).toBeTruthy();
  expect(recordsIn(chunks).length).toBe(1000);
});

test("what a reader holds does not change when the tail is cut and grows again", () => {
  const cache = new TailCache(new TailCacheBudget(1_000_000));
  for (let offset = 0; offset < 10; offset++) cache.append(batch(offset, 30), offset, offset + 1);
  const { chunks } = cache.read(0, everything);
  const before = Buffer.concat(chunks);
  cache.truncateTo(5);
  expect(offsets(cache, 2)).toStrictEqual([2, 3, 4]);
  expect(!cache.covers(5)).toBeTruthy();
  for (let offset = 5; offset < 10; offset++) cache.append(batch(offset, 31), offset, offset + 1);
  expect(Buffer.concat(chunks)).toStrictEqual(before);
  expect(offsets(cache, 4)).toStrictEqual([4, 5, 6, 7, 8, 9]);
  cache.truncateTo(0);
  expect(!cache.covers(0)).toBeTruthy();
});

test("limits: whole batches within the bytes, below the offset limit, one at least when asked", () => {
  const cache = new TailCache(new TailCacheBudget(1_000_000));
  for (let offset = 0; offset < 10; offset++) cache.append(batch(offset, 30), offset, offset + 1);
  const { length } = batch(0, 30);
  expect(offsets(cache, 3, { maxBytes: length * 2, endOffsetLimit: 100, minOneBatch: false })).toStrictEqual([3, 4]);
  expect(offsets(cache, 3, { maxBytes: length * 2 - 1, endOffsetLimit: 100, minOneBatch: false })).toStrictEqual([3]);
  expect(offsets(cache, 3, { maxBytes: 1, endOffsetLimit: 100, minOneBatch: false })).toStrictEqual([]);
  expect(offsets(cache, 3, { maxBytes: 1, endOffsetLimit: 100, minOneBatch: true })).toStrictEqual([3]);
  expect(offsets(cache, 3, { maxBytes: 1e9, endOffsetLimit: 5, minOneBatch: true })).toStrictEqual([3, 4]);
  expect(offsets(cache, 5, { maxBytes: 1e9, endOffsetLimit: 5, minOneBatch: true })).toStrictEqual([]);
});
