import { describe, expect, test } from "vitest";
import { dirtyRatio, groupSegments, planCleaning } from "../../../../broker/log/compaction/cleaning-plan.ts";
import { emptied, type Filtered, filterBatch } from "../../../../broker/log/compaction/filter-batch.ts";
import { hashKey, OffsetMap, offsetMapEntryBytes } from "../../../../broker/log/compaction/offset-map.ts";
import { compressionCodecs, fieldAt, readBatchInfo, writeInt64 } from "../../../../protocol/records/batch-header.ts";
import { codecsAside, compressRecords, decompressRecords } from "../../../../protocol/records/compression.ts";
import { scanBatches } from "../../../../protocol/records/validate-batches.ts";
import { MalformedFrame } from "../../../../protocol/wire/reader.ts";
import { type Entry, foundIn, keyedBatch, type Sender } from "./compaction-fixture.ts";

describe("the hash of keys", () => {
  test("is MurmurHash3, 128 bits: the verification value of its author's test suite", () => {
    const hash = new Int32Array(4);
    const all: number[] = [];
    for (let length = 0; length < 256; length++) {
      hashKey(
        Uint8Array.from({ length }, (_, i) => i),
        hash,
        256 - length,
      );
      all.push(...new Uint8Array(hash.buffer));
    }
    hashKey(Uint8Array.from(all), hash);
    expect((hash[0]! >>> 0).toString(16)).toBe("b3ece62a");
  });
});

describe("the map of last offsets", () => {
  test("keeps the last offset of each key, and refuses new keys when it is full", () => {
    const map = new OffsetMap(10, 0.5);
    const keys = ["a", "b", "c", "d", "e"].map((key) => Buffer.from(key));
    keys.forEach((key, i) => {
      expect(map.put(key, i)).toBeTruthy();
    });
    expect(!map.put(Buffer.from("f"), 9)).toBeTruthy();
    expect(map.put(keys[2]!, 7), "a known key needs no room").toBeTruthy();
    expect(keys.map((key) => map.get(key))).toStrictEqual([0, 1, 7, 3, 4]);
    expect(map.get(Buffer.from("f"))).toBe(-1);
  });

  test("holds what a Map holds, to the last slot", () => {
    const map = new OffsetMap(5000, 1);
    const expected = new Map<string, number>();
    for (let i = 0; i < 12_000; i++) {
      const key = `key-${(i * 7919) % 6000}`;
      if (map.put(Buffer.from(key), i)) expected.set(key, i);
    }
    expect(map.keys).toBe(5000);
    for (let i = 0; i < 6000; i++) expect(map.get(Buffer.from(`key-${i}`))).toBe(expected.get(`key-${i}`) ?? -1);
  });

  test("takes the memory that its range of offsets can need, and never more than it may", () => {
    expect(OffsetMap.within(2 ** 20, 0.9, 100).sizeInBytes < 120 * offsetMapEntryBytes).toBeTruthy();
    expect(OffsetMap.within(2 ** 20, 0.9, 100).keysMax >= 100).toBeTruthy();
    expect(OffsetMap.within(2 ** 20, 0.9, 10 ** 9).sizeInBytes <= 2 ** 20).toBeTruthy();
    expect(OffsetMap.within(1, 0.9, 10).put(Buffer.from("k"), 1), "one key always fits").toBeTruthy();
  });
});

describe("filtering a batch", () => {
  const nowMs = 1_700_000_100_000;
  const codecs = {
    compress: compressRecords,
    compressAside: codecsAside.pack,
    decompress: decompressRecords,
    decompressAside: codecsAside.unpack,
  };
  let pauses = 0;
  const tools = { codecs, pause: async () => void pauses++ };
  const filtered = async (
    entries: readonly Entry[],
    outdated: readonly number[],
    sender: Sender = {},
    bytes = keyedBatch(entries, sender),
    endOffset = 3,
  ) => {
    const rules = {
      nowMs,
      deleteRetentionMs: 5000,
      endOffset,
      isOutdated: ({ offset }: { offset: number }) => outdated.includes(offset),
      ...tools,
    };
    return { bytes, filtered: await filterBatch(bytes, readBatchInfo(bytes, 0)!, rules) };
  };
  const changedBytes = (result: Filtered) => {
    if (result.kind !== "changed") throw new Error(`the batch is ${result.kind}`);
    return result.bytes;
  };
  const abc: Entry[] = [
    { key: "a", value: "1", timestampMs: 5 },
    { key: "b", value: "2", timestampMs: 9 },
    { key: "a", value: "3", timestampMs: 7 },
  ];

  for (const codec of compressionCodecs) {
    test(`takes records out and keeps everything else (${codec})`, async () => {
      const { bytes, filtered: result } = await filtered(abc, [1], { codec, producerId: 8, baseSequence: 40 });
      const changed = changedBytes(result);
      expect(foundIn(changed).map(({ offset, value, timestampMs }) => [offset, value, timestampMs])).toStrictEqual([
        [0, "1", 5],
        [2, "3", 7],
      ]);
      const [before, after] = [readBatchInfo(bytes, 0)!, readBatchInfo(changed, 0)!];
      expect({ ...after, sizeInBytes: 0 }).toStrictEqual({ ...before, sizeInBytes: 0, recordsCount: 2, maxTimestampMs: 7 });
    });
  }

  test("a batch from which nothing goes stays byte for byte; one of which nothing is left is dropped", async () => {
    expect((await filtered(abc, [])).filtered.kind).toBe("same");
    expect((await filtered(abc, [0, 1, 2])).filtered.kind).toBe("dropped");
  });

  test("a tombstone that stays gives its batch a delete horizon, once, and leaves when that has passed", async () => {
    const entries = [
      { key: "a", value: null, timestampMs: 5 },
      { key: "b", value: "2", timestampMs: 2 ** 45 },
    ];
    for (const codec of ["none", "zstd"] as const) {
      const first = changedBytes((await filtered(entries, [], { codec })).filtered);
      const batch = readBatchInfo(first, 0)!;
      expect(batch.hasDeleteHorizon).toBe(true);
      expect(batch.baseTimestampMs).toBe(nowMs + 5000);
      expect(foundIn(first), "timestamps are as they were").toStrictEqual(foundIn(keyedBatch(entries)));
      expect((await filtered([], [], {}, first)).filtered.kind, "the horizon has not passed").toBe("same");
      const rules = {
        nowMs: nowMs + 5000,
        deleteRetentionMs: 5000,
        endOffset: 2,
        isOutdated: () => false,
        ...tools,
      };
      const second = changedBytes(await filterBatch(first, batch, rules));
      expect(foundIn(second)).toStrictEqual(foundIn(keyedBatch(entries)).slice(1));
    }
  });

  test("a retention of tombstones that never ends is as far off as a batch can tell, whatever its timestamps are", async () => {
    for (const [first, next] of [
      [5, 2 ** 51],
      [-1, 0],
      [-(2 ** 53 - 1), -(2 ** 53 - 7)],
      [-(2 ** 52) - 1, -(2 ** 52)],
    ] as const) {
      // as none of our clients would send them
      const bytes = keyedBatch([
        { key: "a", value: null, timestampMs: 0 },
        { key: "b", value: "v", timestampMs: next - first },
      ]);
      writeInt64(bytes, fieldAt.baseTimestamp, first);
      const rules = {
        nowMs,
        deleteRetentionMs: Number.MAX_SAFE_INTEGER,
        endOffset: 2,
        isOutdated: () => false,
        ...tools,
      };
      const changed = changedBytes(await filterBatch(bytes, readBatchInfo(bytes, 0)!, rules));
      const batch = readBatchInfo(changed, 0)!;
      expect(batch.hasDeleteHorizon).toBe(true);
      expect(batch.baseTimestampMs > nowMs * 1000 || first < -(2 ** 52)).toBeTruthy();
      expect(foundIn(changed).map(({ timestampMs }) => timestampMs)).toStrictEqual([first, next]);
    }
  });

  test("a record whose timestamp no number holds makes its batch unreadable, and no more than that", async () => {
    const bytes = keyedBatch([
      { key: "a", value: null, timestampMs: 0 },
      { key: "b", value: "v", timestampMs: 2 ** 51 },
    ]);
    writeInt64(bytes, fieldAt.baseTimestamp, Number.MAX_SAFE_INTEGER - 5);
    const rules = {
      nowMs,
      deleteRetentionMs: 5000,
      endOffset: 2,
      isOutdated: () => false,
      ...tools,
    };
    await expect(filterBatch(bytes, readBatchInfo(bytes, 0)!, rules)).rejects.toThrow(MalformedFrame);
  });

  test("what lies above the offset that the round reached stays, and its tombstones count from the next round", async () => {
    const entries = [
      { key: "a", value: null },
      { key: "b", value: null },
    ];
    expect((await filtered(entries, [1], {}, keyedBatch(entries), 1)).filtered.kind).toBe("same");
    const first = changedBytes((await filtered(entries, [])).filtered);
    const rules = {
      nowMs: nowMs + 5000,
      deleteRetentionMs: 5000,
      endOffset: 1,
      isOutdated: () => false,
      ...tools,
    };
    expect(foundIn(changedBytes(await filterBatch(first, readBatchInfo(first, 0)!, rules)))).toStrictEqual(
      foundIn(keyedBatch(entries)).slice(1),
    );
  });

  test("a batch of very many records is filtered in steps, by what it would be in one", async () => {
    const count = 30_000;
    const entries = Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: i % 5 === 0 ? null : "some value", timestampMs: i }));
    const left = Array.from({ length: count }, (_, i) => i).filter((i) => i % 3 !== 0);
    for (const codec of ["none", "zstd"] as const) {
      const bytes = keyedBatch(entries, { codec });
      pauses = 0;
      const rules = {
        nowMs,
        deleteRetentionMs: 5000,
        endOffset: count,
        isOutdated: ({ offset }: { offset: number }) => offset % 3 === 0,
        ...tools,
      };
      const first = changedBytes(await filterBatch(bytes, readBatchInfo(bytes, 0)!, rules));
      expect(foundIn(first).map(({ offset, timestampMs }) => [offset, timestampMs])).toStrictEqual(left.map((i) => [i, i]));
      expect(pauses >= 4, "others had their turn").toBeTruthy();
      const later = { ...rules, nowMs: nowMs + 5000, isOutdated: () => false };
      const second = changedBytes(await filterBatch(first, readBatchInfo(first, 0)!, later));
      expect(foundIn(second).map(({ offset }) => offset)).toStrictEqual(left.filter((i) => i % 5 !== 0));
    }
  });

  test("an emptied batch keeps its producer's fields and offsets, and is sound", () => {
    const bytes = keyedBatch(abc, { codec: "lz4", producerId: 8, baseSequence: 40 });
    const header = emptied(bytes, readBatchInfo(bytes, 0)!);
    const { batches, tail } = scanBatches(header);
    expect(tail.kind).toBe("clean");
    const { producerId, producerEpoch, baseSequence, baseOffset, lastOffset, recordsCount, sizeInBytes } = batches[0]!;
    expect([producerId, producerEpoch, baseSequence, baseOffset, lastOffset, recordsCount, sizeInBytes]).toStrictEqual([
      8, 3, 40, 0, 2, 0, 61,
    ]);
    expect(foundIn(header)).toStrictEqual([]);
  });
});

describe("what to clean", () => {
  const segments = [0, 100, 200, 300].map((baseOffset) => ({ baseOffset, sizeInBytes: 10 + baseOffset }));
  const plan = (cleanedEndOffset: number, limitOffset: number, startOffset = 0) =>
    planCleaning({ segments, startOffset, endOffset: 350, cleanedEndOffset, limitOffset });

  test("whole segments below the limit, never the last one", () => {
    expect(plan(0, 350)).toStrictEqual({ firstDirtyOffset: 0, endOffset: 300, cleanBytes: 0, dirtyBytes: 330, uncleanableBytes: 310 });
    expect(plan(0, 299)).toStrictEqual({ firstDirtyOffset: 0, endOffset: 200, cleanBytes: 0, dirtyBytes: 120, uncleanableBytes: 520 });
    expect(plan(0, 50).dirtyBytes).toBe(0);
  });

  test("what was cleaned counts as clean, and the ratio is of both", () => {
    const { cleanBytes, dirtyBytes } = plan(200, 350);
    expect([cleanBytes, dirtyBytes]).toStrictEqual([120, 210]);
    expect(dirtyRatio(plan(200, 350))).toBe(210 / 330);
    expect(dirtyRatio(plan(300, 350))).toBe(0);
  });

  test("a checkpoint beyond the log, or before its start, counts from the start", () => {
    expect(plan(900, 350).firstDirtyOffset).toBe(0);
    expect(plan(50, 350, 120).firstDirtyOffset).toBe(120);
  });

  test("neighbours are grouped as far as they fit into one segment", () => {
    const sized = segments.map(({ baseOffset }) => ({
      baseOffset,
      endOffset: baseOffset + 100,
      sizeInBytes: 40,
      indexBytes: 8,
      timeIndexBytes: 12,
    }));
    const limits = { segmentBytes: 100, segmentIndexBytes: 1000, offsetsMax: 1000, segmentsMax: 10 };
    const sizes = (changes: Partial<typeof limits>) => groupSegments(sized, { ...limits, ...changes }).map((group) => group.length);
    expect(sizes({})).toStrictEqual([2, 2]);
    expect(sizes({ segmentBytes: 1000 })).toStrictEqual([4]);
    expect(sizes({ segmentBytes: 1000, segmentsMax: 3 })).toStrictEqual([3, 1]);
    expect(sizes({ segmentBytes: 1000, offsetsMax: 199 })).toStrictEqual([2, 2]);
    expect(sizes({ segmentBytes: 1000, segmentIndexBytes: 35 })).toStrictEqual([2, 2]);
  });
});
