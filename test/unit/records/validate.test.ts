import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assignOffsets } from "../../../protocol/records/assign-offsets.ts";
import { type BatchInfo, fieldAt, hasValidCrc, sealBatch, writeInt64 } from "../../../protocol/records/batch-header.ts";
import { decodeBatch } from "../../../protocol/records/decode-batch.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { type ProduceValidation, scanBatches, validateProducedBatches } from "../../../protocol/records/validate-batches.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import { someRecords, threeRecords } from "./samples.ts";

const produce: ProduceValidation = { exactlyOneBatch: true, zstdAllowed: true };
const errorOf = (bytes: Buffer, options: Partial<ProduceValidation> = {}) =>
  validateProducedBatches(bytes, { ...produce, ...options }).error;

/** A sound batch with one thing changed and the CRC made right again. */
function changed(change: (batch: Buffer) => void): Buffer {
  const batch = encodeBatch(threeRecords);
  change(batch);
  sealBatch(batch, 0, batch.length);
  return batch;
}

describe("what a producer sent", () => {
  test("a sound batch is described and accepted", () => {
    const batch = encodeBatch(threeRecords, { producerId: 4000, producerEpoch: 2, baseSequence: 17, isTransactional: true });
    const [info] = (validateProducedBatches(batch, produce) as { batches: readonly BatchInfo[] }).batches;
    expect(info).toEqual({
      position: 0,
      sizeInBytes: batch.length,
      baseOffset: 0,
      lastOffset: 2,
      leaderEpoch: -1,
      codec: "none",
      timestampType: "CreateTime",
      isTransactional: true,
      isControl: false,
      hasDeleteHorizon: false,
      baseTimestampMs: 1_700_000_000_000,
      maxTimestampMs: 1_700_000_000_005,
      producerId: 4000,
      producerEpoch: 2,
      baseSequence: 17,
      recordsCount: 3,
    });
  });

  test("nothing, or two batches, is no batch", () => {
    const batch = encodeBatch(threeRecords);
    expect(errorOf(Buffer.alloc(0))).toBe("INVALID_RECORD");
    expect(errorOf(Buffer.concat([batch, batch]))).toBe("INVALID_RECORD");
    expect(errorOf(Buffer.concat([batch, batch]), { exactlyOneBatch: false })).toBe(null);
  });

  test("every single damaged byte of the checked part is CORRUPT_MESSAGE", () => {
    const batch = encodeBatch(threeRecords);
    for (let at = fieldAt.crc; at < batch.length; at++) {
      const damaged = Buffer.from(batch);
      damaged[at] = (damaged[at] as number) ^ 1;
      expect(errorOf(damaged), `byte ${at}`).toBe("CORRUPT_MESSAGE");
    }
  });

  test("a batch cut short at any byte is CORRUPT_MESSAGE", () => {
    const batch = encodeBatch(threeRecords);
    for (let length = 1; length < batch.length; length++)
      expect(errorOf(batch.subarray(0, length)), `${length} bytes`).toBe("CORRUPT_MESSAGE");
  });

  test("lengths that lie are CORRUPT_MESSAGE", () => {
    for (const length of [-2147483648, -1, 0, 48, 2147483647]) {
      const batch = encodeBatch(threeRecords);
      batch.writeInt32BE(length, fieldAt.batchLength);
      expect(errorOf(batch), `length ${length}`).toBe("CORRUPT_MESSAGE");
    }
  });

  test("older formats are told apart from no format at all", () => {
    const withMagic = (magic: number) => changed((batch) => batch.writeInt8(magic, fieldAt.magic));
    expect(errorOf(withMagic(0))).toBe("UNSUPPORTED_FOR_MESSAGE_FORMAT");
    expect(errorOf(withMagic(1))).toBe("UNSUPPORTED_FOR_MESSAGE_FORMAT");
    expect(errorOf(withMagic(1).subarray(0, 40))).toBe("UNSUPPORTED_FOR_MESSAGE_FORMAT");
    expect(errorOf(withMagic(3))).toBe("CORRUPT_MESSAGE");
  });

  test.each<[string, string, (batch: Buffer) => void]>([
    ["codec 5", "UNSUPPORTED_COMPRESSION_TYPE", (b) => b.writeInt16BE(5, fieldAt.attributes)],
    ["a control batch", "INVALID_RECORD", (b) => b.writeInt16BE(0x20, fieldAt.attributes)],
    ["LogAppendTime", "INVALID_TIMESTAMP", (b) => b.writeInt16BE(0x08, fieldAt.attributes)],
    ["a delete horizon", "INVALID_RECORD", (b) => b.writeInt16BE(0x40, fieldAt.attributes)],
    ["a base offset", "INVALID_RECORD", (b) => writeInt64(b, fieldAt.baseOffset, 1)],
    ["no records", "INVALID_RECORD", (b) => b.writeInt32BE(0, fieldAt.recordsCount)],
    ["a negative count", "INVALID_RECORD", (b) => b.writeInt32BE(-1, fieldAt.recordsCount)],
    ["a last offset delta that does not fit the count", "INVALID_RECORD", (b) => b.writeInt32BE(3, fieldAt.lastOffsetDelta)],
    ["a producer id without sequence", "INVALID_RECORD", (b) => writeInt64(b, fieldAt.producerId, 9)],
    ["a transaction without producer id", "INVALID_RECORD", (b) => b.writeInt16BE(0x10, fieldAt.attributes)],
    ["a timestamp beyond 2^53", "INVALID_RECORD", (b) => b.writeInt32BE(0x7fffffff, fieldAt.maxTimestamp)],
    ["a timestamp below -1", "INVALID_TIMESTAMP", (b) => writeInt64(b, fieldAt.baseTimestamp, -2)],
  ])("%s is %s", (_what, error, change) => {
    expect(errorOf(changed(change))).toBe(error);
  });

  test("zstd needs a client that can have meant it; size has its bound", () => {
    const zstd = changed((batch) => batch.writeInt16BE(4, fieldAt.attributes));
    expect(errorOf(zstd)).toBe(null);
    expect(errorOf(zstd, { zstdAllowed: false })).toBe("UNSUPPORTED_COMPRESSION_TYPE");
    const batch = encodeBatch(threeRecords);
    expect(errorOf(batch, { batchBytesMax: batch.length })).toBe(null);
    expect(errorOf(batch, { batchBytesMax: batch.length - 1 })).toBe("MESSAGE_TOO_LARGE");
  });

  test("any bytes get an answer", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => errorOf(Buffer.from(bytes)) !== null));
  });
});

describe("offsets", () => {
  test("are dense over batches, leave the CRC valid and the records as they were", () => {
    fc.assert(
      fc.property(fc.array(someRecords, { minLength: 1, maxLength: 4 }), fc.nat(2 ** 31 - 1), (lists, baseOffset) => {
        const batches: BatchInfo[] = [];
        let bytes = Buffer.alloc(0);
        let endOffset = baseOffset;
        for (const records of lists) {
          const batch = parsedBatch(encodeBatch(records));
          const header = assignOffsets(batch, { baseOffset: endOffset, leaderEpoch: 12, logAppendTimeMs: null });
          batches.push({ ...header, position: bytes.length });
          bytes = Buffer.concat([bytes, batch.bytes]);
          endOffset = header.lastOffset + 1;
        }
        const scan = scanBatches(bytes);
        expect(scan).toEqual({ batches, endPosition: bytes.length, tail: { kind: "clean" } });
        const offsets = batches.flatMap((batch) => [...decodeBatch(bytes, batch.position)].map((record) => record.offset));
        expect(offsets).toEqual(lists.flat().map((_record, i) => baseOffset + i));
        expect(endOffset).toBe(baseOffset + offsets.length);
        expect(batches.every((batch) => batch.leaderEpoch === 12)).toBe(true);
      }),
    );
  });

  test("LogAppendTime gives every record the broker's time and a new CRC", () => {
    const bytes = encodeBatch(threeRecords);
    const header = assignOffsets(parsedBatch(bytes), { baseOffset: 5, leaderEpoch: 0, logAppendTimeMs: 1_800_000_000_000 });
    expect(header.maxTimestampMs).toBe(1_800_000_000_000);
    expect([header]).toEqual(scanBatches(bytes).batches);
    expect([...decodeBatch(bytes)].map((record) => [record.offset, record.timestampMs])).toEqual([
      [5, 1_800_000_000_000],
      [6, 1_800_000_000_000],
      [7, 1_800_000_000_000],
    ]);
  });

  test("a largest timestamp that the producer left out is filled in", () => {
    const bytes = changed((batch) => writeInt64(batch, fieldAt.maxTimestamp, -1));
    expect(errorOf(bytes)).toBe(null);
    expect(assignOffsets(parsedBatch(bytes), { baseOffset: 0, leaderEpoch: 0, logAppendTimeMs: null }).maxTimestampMs).toBe(
      1_700_000_000_000,
    );
    expect(hasValidCrc(bytes, 0, bytes.length)).toBe(true);
  });
});

describe("the tail of a log", () => {
  const log = Buffer.concat([0, 3, 6].map((baseOffset) => encodeBatch(threeRecords, { baseOffset, leaderEpoch: 1 })));
  const batchBytes = log.length / 3;

  test("cut anywhere, whole batches are kept and the rest is torn", () => {
    for (let length = 0; length <= log.length; length++) {
      const scan = scanBatches(log.subarray(0, length));
      const whole = Math.floor(length / batchBytes);
      const rest = length % batchBytes;
      expect(scan.batches.length, `${length} bytes`).toBe(whole);
      expect(scan.endPosition).toBe(whole * batchBytes);
      expect(scan.tail).toEqual(rest === 0 ? { kind: "clean" } : { kind: "torn", neededBytes: rest < 12 ? 0 : batchBytes });
    }
  });

  test("damage, zeros and offsets that do not rise are corrupt, not torn", () => {
    const damaged = Buffer.from(log);
    damaged[batchBytes + 100] = (damaged[batchBytes + 100] as number) ^ 4;
    expect(scanBatches(damaged)).toMatchObject({ endPosition: batchBytes, tail: { kind: "corrupt" } });
    expect(scanBatches(damaged, { checkCrc: false }).tail.kind).toBe("clean");
    expect(scanBatches(Buffer.concat([log, Buffer.alloc(100)]))).toMatchObject({ endPosition: log.length, tail: { kind: "corrupt" } });
    expect(scanBatches(Buffer.concat([log, log]))).toMatchObject({ endPosition: log.length, tail: { kind: "corrupt" } });
    expect(scanBatches(log.subarray(0, 100), { batchBytesMax: 100 })).toMatchObject({ endPosition: 0, tail: { kind: "corrupt" } });
  });

  test("gaps that compaction leaves, between batches and within one, are fine", () => {
    const gapped = encodeBatch(threeRecords, { baseOffset: 100 });
    gapped.writeInt32BE(9, fieldAt.lastOffsetDelta);
    const emptied = encodeBatch(threeRecords, { baseOffset: 200 }).subarray(0, 61);
    emptied.writeInt32BE(49, fieldAt.batchLength);
    emptied.writeInt32BE(0, fieldAt.recordsCount);
    sealBatch(gapped, 0, gapped.length);
    sealBatch(emptied, 0, emptied.length);
    const scan = scanBatches(Buffer.concat([log, gapped, emptied]));
    expect(scan.tail).toEqual({ kind: "clean" });
    expect(scan.batches.map((batch) => [batch.baseOffset, batch.lastOffset])).toEqual([
      [0, 2],
      [3, 5],
      [6, 8],
      [100, 109],
      [200, 202],
    ]);
    expect([...decodeBatch(emptied)]).toEqual([]);
  });
});
