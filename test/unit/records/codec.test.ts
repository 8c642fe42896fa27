import { inflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compressionCodecs } from "../../../protocol/records/batch-header.ts";
import { CompressionUnavailable } from "../../../protocol/records/codec.ts";
import { unpackGzip } from "../../../protocol/records/codecs/gzip.ts";
import { compressRecords, decompressRecords } from "../../../protocol/records/compression.ts";
import { decodeBatch, openBatch, readControlRecord } from "../../../protocol/records/decode-batch.ts";
import { encodeBatch, recordBytesAtMost } from "../../../protocol/records/encode-batch.ts";
import { MalformedFrame } from "../../../protocol/wire/reader.ts";
import { aRecord, someRecords, threeRecords } from "./samples.ts";

const decode = (bytes: Buffer, checkCrc = true) => [
  ...decodeBatch(bytes, 0, { decompress: decompressRecords, checkCrc, decompressedBytesMax: 1 << 20 }),
];

describe.each(compressionCodecs)("%s", (codec) => {
  test("records out are records in", () => {
    fc.assert(
      fc.property(someRecords, fc.integer({ min: 0, max: 2 ** 40 }), (records, baseOffset) => {
        const batch = encodeBatch(records, { codec, compress: compressRecords, baseOffset, leaderEpoch: 7 });
        expect(decode(batch)).toEqual(records.map((record, i) => ({ ...record, offset: baseOffset + i })));
        const header = openBatch(batch);
        expect(header).toMatchObject({
          codec,
          sizeInBytes: batch.length,
          recordsCount: records.length,
          lastOffset: baseOffset + records.length - 1,
          maxTimestampMs: Math.max(...records.map((record) => record.timestampMs)),
        });
      }),
    );
  });

  test("every changed byte that the CRC covers is noticed", () => {
    const batch = encodeBatch(threeRecords, { codec, compress: compressRecords });
    for (let at = 17; at < batch.length; at++) {
      const damaged = Buffer.from(batch);
      damaged[at] = (damaged[at] as number) ^ 0x10;
      expect(() => decode(damaged), `byte ${at}`).toThrow(MalformedFrame);
    }
  });

  test("a batch cut anywhere is refused", () => {
    const batch = encodeBatch(threeRecords, { codec, compress: compressRecords });
    for (let length = 0; length < batch.length; length++)
      expect(() => decode(batch.subarray(0, length)), `${length} bytes`).toThrow(MalformedFrame);
  });

  test("damage that no CRC stops still gives records or MalformedFrame", () => {
    const batch = encodeBatch(threeRecords, { codec, compress: compressRecords });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(batch.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }), (changes) => {
        const damaged = Buffer.from(batch);
        for (const [at, byte] of changes) damaged[at] = byte;
        try {
          decode(damaged, false);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedFrame);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("large and repetitive records survive", () => {
    const value = Buffer.alloc(300_000, "abcdefghij");
    const batch = encodeBatch([{ key: null, value, timestampMs: 5 }], { codec, compress: compressRecords });
    expect(decode(batch)[0]?.value?.equals(value)).toBe(true);
    if (codec !== "none") expect(batch.length).toBeLessThan(30_000);
  });
});

describe.each(compressionCodecs.filter((codec) => codec !== "none"))("%s, compressed", (codec) => {
  test("a bomb is refused at the bound, what just fits is not", () => {
    const packed = compressRecords(codec, Buffer.alloc(1_000_000));
    expect(() => decompressRecords(codec, packed, 999_999)).toThrow(MalformedFrame);
    expect(decompressRecords(codec, packed, 1_000_000)).toHaveLength(1_000_000);
  });

  test("without codecs, a compressed batch says so", () => {
    const batch = encodeBatch(threeRecords, { codec, compress: compressRecords });
    expect(() => [...decodeBatch(batch)]).toThrow(CompressionUnavailable);
  });
});

test("random bytes never decode to anything but MalformedFrame", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...compressionCodecs), (bytes, codec) => {
      const noise = Buffer.from(bytes);
      expect(() => decode(noise)).toThrow(MalformedFrame);
      try {
        decompressRecords(codec, noise, 1 << 16);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedFrame);
      }
    }),
  );
});

test("snappy reads a single raw block as well as xerial's framing", async () => {
  const { compressSync } = await import("snappy");
  const plain = Buffer.from("raw snappy, as some clients send it".repeat(10));
  expect(decompressRecords("snappy", compressSync(plain), 1000)).toEqual(plain);
  expect(compressRecords("snappy", plain).subarray(0, 16).toString("hex")).toBe("82534e41505059000000000100000001");
});

test("lz4 frames have independent blocks and the header checksum of the frame format", () => {
  // version 1, independent blocks, no checksums; 64 KiB blocks; 0x82 is the known checksum of that header
  expect(compressRecords("lz4", Buffer.from("hello")).subarray(0, 7).toString("hex")).toBe("04224d18604082");
});

test("lz4 frames with block and content checksums are read", async () => {
  const { compressFrameSync } = await import("lz4-napi");
  const frame = compressFrameSync(Buffer.from("checked"), { contentChecksum: true, blockChecksums: true });
  expect(decompressRecords("lz4", frame, 100).toString()).toBe("checked");
});

test("no record takes more bytes than its bound", () => {
  fc.assert(
    fc.property(aRecord, (record) => {
      expect(encodeBatch([record]).length - 61).toBeLessThanOrEqual(recordBytesAtMost(record));
    }),
  );
});

test("under LogAppendTime every record has the batch's time", () => {
  const batch = encodeBatch(threeRecords);
  batch[22] = (batch[22] as number) | 0x08;
  expect(decode(batch, false).map((record) => record.timestampMs)).toEqual([1_700_000_000_005, 1_700_000_000_005, 1_700_000_000_005]);
});

test("the ends of transactions are told apart", () => {
  const value = Buffer.from([0, 0, 0, 0, 0, 9]);
  expect(readControlRecord({ key: Buffer.from([0, 0, 0, 0]), value })).toEqual({ kind: "abort", coordinatorEpoch: 9 });
  expect(readControlRecord({ key: Buffer.from([0, 0, 0, 1]), value })).toEqual({ kind: "commit", coordinatorEpoch: 9 });
  expect(readControlRecord({ key: Buffer.from([0, 0, 0, 4]), value: null })).toEqual({ kind: "other", type: 4 });
  expect(() => readControlRecord({ key: Buffer.from([0]), value })).toThrow(MalformedFrame);
});

test("gzip: what the last bytes say of the size is believed of the first member, as far as its bytes can make it true", () => {
  const member = compressRecords("gzip", Buffer.from("a"));
  /** What each call is said to make, about. */
  const expected = (packed: Buffer): number[] => {
    const unpacking = unpackGzip(packed, 2 ** 26);
    const told: number[] = [];
    for (let step = unpacking.next(); !step.done; ) {
      const { input, bytesExpected } = step.value;
      told.push(bytesExpected);
      const { buffer, engine } = inflateRawSync(input, { info: true }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
      step = unpacking.next({ bytes: buffer, consumedBytes: engine.bytesWritten });
    }
    return told;
  };
  const lie = Buffer.alloc(4, 0x03);
  expect(expected(member)).toEqual([1]);
  expect(expected(Buffer.concat([member, member, member, lie]))).toEqual([(3 * member.length + 4 - 10) * 1032, 0, 0]);
});
