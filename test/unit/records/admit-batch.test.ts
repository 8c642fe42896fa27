import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Admission, type AdmissionRules, admitBatch } from "../../../protocol/records/admit-batch.ts";
import {
  batchHeaderBytes,
  batchPrefixBytes,
  compressionCodecs,
  fieldAt,
  hasValidCrc,
  maxTimestampAt,
  readBatchInfo,
  sealBatch,
  writeInt64,
} from "../../../protocol/records/batch-header.ts";
import { compressRecords, decompressRecords } from "../../../protocol/records/compression.ts";
import { decodeBatch, decompressedBytesMaxDefault } from "../../../protocol/records/decode-batch.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import type { DecodedRecord } from "../../../protocol/records/record.ts";
import { someRecords, threeRecords } from "./samples.ts";

const anything: AdmissionRules = {
  keysRequired: false,
  timestamps: { earliestMs: Number.NEGATIVE_INFINITY, latestMs: Number.POSITIVE_INFINITY },
  codec: "producer",
  level: undefined,
  batchBytesMax: 2 ** 30,
};

function admit(bytes: Buffer, rules: Partial<AdmissionRules> = {}): Admission {
  const batch = readBatchInfo(bytes, 0);
  if (batch === null) throw new Error("the test's batch has a sound header");
  return admitBatch(bytes, batch, { ...anything, ...rules });
}

function admitted(bytes: Buffer, rules: Partial<AdmissionRules> = {}): Buffer {
  const admission = admit(bytes, rules);
  if (admission.error !== null) throw new Error(`${admission.error}: ${admission.message}`);
  return admission.bytes;
}

const recordsOf = (bytes: Buffer): DecodedRecord[] => [...decodeBatch(bytes, 0, { decompress: decompressRecords })];

/** A batch with these bytes for records, whatever they are. */
function batchAround(body: Buffer, codec: (typeof compressionCodecs)[number], recordsCount: number): Buffer {
  const bytes = Buffer.concat([encodeBatch(threeRecords).subarray(0, batchHeaderBytes), body]);
  bytes.writeInt32BE(bytes.length - batchPrefixBytes, fieldAt.batchLength);
  bytes.writeInt16BE(compressionCodecs.indexOf(codec), fieldAt.attributes);
  bytes.writeInt32BE(recordsCount, fieldAt.recordsCount);
  bytes.writeInt32BE(recordsCount - 1, fieldAt.lastOffsetDelta);
  sealBatch(bytes, 0, bytes.length);
  return bytes;
}

const keyed = (timestampsMs: readonly number[]) =>
  encodeBatch(timestampsMs.map((timestampMs, i) => ({ key: Buffer.from(`k${i}`), value: null, timestampMs })));

describe("the records of a producer's batch", () => {
  test("are stored as they came when the topic keeps the producer's codec", () => {
    for (const codec of compressionCodecs) {
      const batch = encodeBatch(threeRecords, { codec, compress: compressRecords });
      const before = Buffer.from(batch);
      expect(admitted(batch), codec).toBe(batch);
      expect(batch, codec).toEqual(before);
    }
  });

  test("stay the same records of the same producer under any other codec", () => {
    const codecs = fc.constantFrom(...compressionCodecs);
    fc.assert(
      fc.property(someRecords, codecs, codecs, fc.integer({ min: 1, max: 9 }), (records, from, codec, level) => {
        const producer = { producerId: 4000, producerEpoch: 2, baseSequence: 17, isTransactional: true };
        const batch = encodeBatch(records, { codec: from, compress: compressRecords, ...producer });
        const expected = recordsOf(batch);
        const header = readBatchInfo(batch, 0);
        const stored = admitted(batch, { codec, level });
        expect(recordsOf(stored)).toEqual(expected);
        expect(readBatchInfo(stored, 0)).toEqual({ ...header, codec, sizeInBytes: stored.length });
      }),
      { numRuns: 300 },
    );
  });

  test("one changed byte: what is admitted can be read, and what cannot be read is not admitted", () => {
    const plain = encodeBatch(threeRecords).subarray(batchHeaderBytes);
    const seen = new Set<boolean>();
    for (let at = 0; at < plain.length; at++)
      for (let bit = 1; bit < 256; bit *= 2) {
        const body = Buffer.from(plain);
        body[at] = (body[at] as number) ^ bit;
        const batch = batchAround(body, "none", 3);
        let isReadable = true;
        try {
          isReadable = recordsOf(batch).every(({ offset, timestampMs }, i) => offset === i && timestampMs >= -1);
        } catch {
          isReadable = false;
        }
        const { error } = admit(batch);
        expect(error, `bit ${bit} of byte ${at}`).toBe(isReadable ? null : "INVALID_RECORD");
        seen.add(isReadable);
      }
    expect(seen).toEqual(new Set([true, false]));
  });

  test("must be there, all of them, and nothing behind them", () => {
    const plain = encodeBatch(threeRecords).subarray(batchHeaderBytes);
    for (const codec of compressionCodecs) {
      const packed = (bytes: Buffer) => compressRecords(codec, bytes);
      expect(admit(batchAround(packed(plain), codec, 3)).error, codec).toBeNull();
      expect(admit(batchAround(packed(plain), codec, 4)).error, codec).toBe("INVALID_RECORD");
      expect(admit(batchAround(packed(plain), codec, 2)).error, codec).toBe("INVALID_RECORD");
      expect(admit(batchAround(packed(Buffer.concat([plain, Buffer.alloc(1)])), codec, 3)).error, codec).toBe("INVALID_RECORD");
      expect(admit(batchAround(packed(plain.subarray(0, -1)), codec, 3)).error, codec).toBe("INVALID_RECORD");
    }
    for (const codec of compressionCodecs.slice(1)) expect(admit(batchAround(Buffer.alloc(40, 7), codec, 3)).error).toBe("INVALID_RECORD");
  });

  test("a small batch that unpacks to more than may be held is refused before it is unpacked", () => {
    const zeros = Buffer.alloc(decompressedBytesMaxDefault + 1);
    for (const codec of compressionCodecs.slice(1)) {
      const bomb = batchAround(compressRecords(codec, zeros), codec, 1);
      expect(bomb.length, codec).toBeLessThan(decompressedBytesMaxDefault / 15);
      expect(admit(bomb), codec).toMatchObject({ error: "INVALID_RECORD" });
    }
  });
});

describe("what a topic takes", () => {
  test("compacted: every record needs a key, and those without are named", () => {
    const batch = encodeBatch(
      [{ key: null }, { key: Buffer.from("k") }, { key: null }].map((one) => ({ ...one, value: null, timestampMs: 5 })),
    );
    expect(admit(batch).error).toBeNull();
    const refused = admit(batch, { keysRequired: true });
    expect(refused).toMatchObject({ error: "INVALID_RECORD", recordErrors: [{ index: 0 }, { index: 2 }] });
    expect(admit(keyed([5, 6]), { keysRequired: true }).error).toBeNull();
  });

  test("timestamps within its bounds, both inclusive; a record without one is exempt", () => {
    const timestamps = { earliestMs: 100, latestMs: 200 };
    expect(admit(keyed([100, 200, -1]), { timestamps }).error).toBeNull();
    expect(admit(keyed([150, 99, 201, 160]), { timestamps })).toMatchObject({
      error: "INVALID_TIMESTAMP",
      recordErrors: [{ index: 1 }, { index: 2 }],
    });
    expect(admit(keyed([99, 201]), { timestamps: null }).error, "the broker's time replaces them").toBeNull();
  });

  test("wrong timestamps name the error of a batch that lacks keys too", () => {
    const batch = encodeBatch([
      { key: null, value: null, timestampMs: 150 },
      { key: Buffer.from("k"), value: null, timestampMs: 99 },
    ]);
    expect(admit(batch, { keysRequired: true, timestamps: { earliestMs: 100, latestMs: 200 } })).toMatchObject({
      error: "INVALID_TIMESTAMP",
      recordErrors: [{ error: "INVALID_RECORD" }, { error: "INVALID_TIMESTAMP" }],
    });
  });

  test("the answer names a hundred records at most", () => {
    const refused = admit(encodeBatch(Array.from({ length: 5000 }, () => ({ key: null, value: null, timestampMs: 1 }))), {
      keysRequired: true,
    });
    expect(refused.error !== null && refused.recordErrors.length).toBe(100);
    expect(refused.error !== null && refused.message).toContain("5000 of 5000");
  });

  test("the header's largest timestamp is made true, whatever it said and whatever the codec", () => {
    for (const codec of compressionCodecs)
      for (const told of [-1, 0, 170, 10_000]) {
        const batch = encodeBatch(
          [150, 170, 160].map((timestampMs) => ({ key: null, value: null, timestampMs })),
          { codec, compress: compressRecords },
        );
        writeInt64(batch, fieldAt.maxTimestamp, told);
        sealBatch(batch, 0, batch.length);
        const stored = admitted(batch);
        expect(maxTimestampAt(stored, 0)).toBe(170);
        expect(hasValidCrc(stored, 0, stored.length)).toBe(true);
      }
  });

  test("a batch that the topic's codec makes larger than allowed is refused", () => {
    const records = [{ key: null, value: Buffer.alloc(5000), timestampMs: 1 }];
    const batch = encodeBatch(records, { codec: "zstd", compress: compressRecords });
    expect(admit(batch, { codec: "none", batchBytesMax: 5000 }).error).toBe("MESSAGE_TOO_LARGE");
    expect(admit(batch, { codec: "none", batchBytesMax: 5100 }).error).toBeNull();
  });
});
