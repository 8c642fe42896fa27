import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Admission, type AdmissionRules, admitAside, admitBatch } from "../../../protocol/records/admit-batch.ts";
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
import { codecsAside, compressRecords, decompressRecords } from "../../../protocol/records/compression.ts";
import { decodeBatch, decompressedBytesMaxDefault } from "../../../protocol/records/decode-batch.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { type DecodedRecord, recordHeadersMax } from "../../../protocol/records/record.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import { someRecords, threeRecords } from "./samples.ts";

const anything: AdmissionRules = {
  keysRequired: false,
  timestamps: { earliestMs: Number.NEGATIVE_INFINITY, latestMs: Number.POSITIVE_INFINITY },
  codec: "producer",
  level: undefined,
  batchBytesMax: 2 ** 30,
  plainBytesMax: decompressedBytesMaxDefault,
};

/** Null: not within a turn. */
function admitNow(bytes: Buffer, rules: Partial<AdmissionRules> = {}, turn = { unpackedBytesLeft: 2 ** 24 }): Admission | null {
  return admitBatch(parsedBatch(bytes), { ...anything, ...rules }, turn);
}

function admit(bytes: Buffer, rules: Partial<AdmissionRules> = {}): Admission {
  const admission = admitNow(bytes, rules);
  if (admission === null) throw new Error("the test's batch takes one turn");
  return admission;
}

/** With the number of pauses that were made for others. */
async function admitSlowly(bytes: Buffer, rules: Partial<AdmissionRules> = {}) {
  let pauses = 0;
  const pause = async () => void pauses++;
  const admission = await admitAside(parsedBatch(bytes), { ...anything, ...rules }, { ...codecsAside, pause });
  return { admission, pauses };
}

function admitted(bytes: Buffer, rules: Partial<AdmissionRules> = {}): Buffer {
  const admission = admit(bytes, rules);
  if (admission.error !== null) throw new Error(`${admission.error}: ${admission.message}`);
  const { bytes: stored, header } = admission.batch;
  expect(header, "the header handed on is the one that is stored").toEqual(readBatchInfo(stored, 0));
  return stored;
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

  test("a small batch that unpacks to more than may be held is refused before it is unpacked", async () => {
    const zeros = Buffer.alloc(2 ** 22 + 1);
    for (const codec of compressionCodecs.slice(1)) {
      const bomb = batchAround(compressRecords(codec, zeros), codec, 1);
      expect(admitNow(bomb), codec).toBeNull();
      const { admission } = await admitSlowly(bomb, { plainBytesMax: 2 ** 22 });
      expect(admission, codec).toMatchObject({ error: "INVALID_RECORD", message: `${codec}: unpacks to more than 4194304 bytes` });
    }
  });

  test("as they are they may be more than packed ones may unpack to, and are not packed then", async () => {
    const batch = encodeBatch([{ key: null, value: Buffer.alloc(2 ** 22), timestampMs: 1 }]);
    expect((await admitSlowly(batch, { plainBytesMax: 2 ** 21 })).admission.error).toBeNull();
    expect((await admitSlowly(batch, { plainBytesMax: 2 ** 21, codec: "zstd" })).admission.error).toBe("INVALID_RECORD");
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

describe("what takes longer than a turn", () => {
  const large = Array.from({ length: 120_000 }, (_, i) => ({ key: Buffer.from(`k${i}`), value: Buffer.from("as always"), timestampMs: i }));
  const few = Array.from({ length: 20_000 }, (_, i) => ({ key: Buffer.from(`k${i}`), value: Buffer.from("as always"), timestampMs: i }));

  test.each(compressionCodecs)("%s: is left as it came, and looked at in steps", async (codec) => {
    const batch = encodeBatch(large, { codec, compress: compressRecords });
    writeInt64(batch, fieldAt.maxTimestamp, 5);
    sealBatch(batch, 0, batch.length);
    const before = Buffer.from(batch);
    expect(admitNow(batch)).toBeNull();
    expect(batch).toEqual(before);
    const { admission, pauses } = await admitSlowly(batch);
    expect(admission.error).toBeNull();
    expect(maxTimestampAt(batch, 0)).toBe(119_999);
    expect(pauses).toBeGreaterThan(1);
    expect((await admitSlowly(batch, { timestamps: { earliestMs: 0, latestMs: 100 } })).admission.error).toBe("INVALID_TIMESTAMP");
  });

  test("packing takes longer than unpacking: less of it is done in one turn", async () => {
    for (const codec of compressionCodecs) {
      const batch = encodeBatch(few);
      expect(admitNow(batch, { codec }) === null, codec).toBe(codec !== "none");
      const { admission } = await admitSlowly(batch, { codec });
      expect(admission.error).toBeNull();
      if (admission.error === null) expect(recordsOf(admission.batch.bytes)).toEqual(recordsOf(batch));
    }
  });

  test("many small bombs are no more in one turn than one that is large", () => {
    const zeros = { key: null, value: Buffer.alloc(900_000), timestampMs: 1 };
    const turn = { unpackedBytesLeft: 4_000_000 };
    const bomb = () => encodeBatch([zeros], { codec: "zstd", compress: compressRecords });
    const admitted = Array.from({ length: 8 }, () => admitNow(bomb(), {}, turn) !== null);
    expect(admitted).toEqual([true, true, true, true, true, false, false, false]);
    expect(admitNow(encodeBatch([zeros]), {}, turn)?.error, "what came as it is was paid for").toBeNull();
  });
});

describe("a turn is soon used up", () => {
  const zstd = (plain: Buffer) => compressRecords("zstd", plain);
  const inChunks = (count: number) => {
    const one = compressRecords("snappy", Buffer.from("a"));
    return Buffer.concat([one.subarray(0, 16), ...Array.from({ length: count }, () => one.subarray(16))]);
  };
  const repeated = (piece: Buffer, count: number) => Buffer.concat(Array.from({ length: count }, () => piece));
  const sound = encodeBatch(threeRecords);

  test.each<[string, Buffer, Partial<AdmissionRules>]>([
    ["a mebibyte that something follows", batchAround(Buffer.concat([zstd(Buffer.alloc(2 ** 20)), Buffer.alloc(6, 1)]), "zstd", 1), {}],
    ["damage within", batchAround(compressRecords("gzip", Buffer.alloc(2 ** 19)).fill(0xff, 300, 320), "gzip", 1), {}],
    ["records that are recompressed", encodeBatch([{ key: null, value: Buffer.alloc(200_000), timestampMs: 1 }]), { codec: "gzip" }],
    ["twenty members", batchAround(repeated(compressRecords("gzip", Buffer.from("a")), 20), "gzip", 1), {}],
    ["twenty frames", batchAround(repeated(zstd(Buffer.from("a")), 20), "zstd", 1), {}],
  ])("by %s", (_, batch, rules) => {
    const turn = { unpackedBytesLeft: 2 ** 24 };
    const looks = Array.from({ length: 100 }, () => admitNow(Buffer.from(batch), rules, turn));
    expect(looks.filter((look) => look !== null).length).toBeLessThanOrEqual(32);
    expect(admitNow(Buffer.from(sound), {}, turn)?.error, "what came as it is was paid for").toBeNull();
  });

  test.each([
    ["gzip", repeated(compressRecords("gzip", Buffer.from("a")), 1000)],
    ["zstd", repeated(zstd(Buffer.from("a")), 1000)],
    ["snappy", inChunks(8000)],
  ] as const)("%s: a batch of many pieces is for other threads, and so are those behind it", async (codec, packed) => {
    const batch = batchAround(packed, codec, 1);
    const turn = { unpackedBytesLeft: 2 ** 24 };
    for (let i = 0; i < 100; i++) expect(admitNow(batch, {}, turn)).toBeNull();
    expect(turn.unpackedBytesLeft).toBeLessThanOrEqual(0);
    expect((await admitSlowly(batch)).admission.error).toBe("INVALID_RECORD");
  });
});

describe("lies about numbers", () => {
  /** A record with these bytes behind its offset delta. */
  const record = (...body: readonly number[]) => Buffer.from([(3 + body.length) * 2, 0, 0, 0, ...body]);
  const largest = [0xfe, 0xff, 0xff, 0xff, 0x0f]; // 2^31-1
  const smallest = [0xff, 0xff, 0xff, 0xff, 0x0f]; // -2^31
  const beyond = [0xfe, 0xff, 0xff, 0xff, 0x1f]; // 2^32-1
  const sound = [1, 1, 0];

  test.each([
    ["2^31-1 records in a batch of 64 bytes", record(...sound), 2 ** 31 - 1],
    ["a record of 2^31-1 bytes", Buffer.from([...largest, 0, 0, 0, ...sound]), 1],
    ["a record of a negative length", Buffer.from([...smallest, 0, 0, 0, ...sound]), 1],
    ["a key of 2^31-1 bytes", record(...largest, 1, 0), 1],
    ["a key of -2^31 bytes", record(...smallest, 1, 0), 1],
    ["a key of 2^32-1 bytes", record(...beyond, 1, 0), 1],
    ["a key of -2 bytes", record(3, 1, 0), 1],
    ["a value of 2^31-1 bytes", record(1, ...largest, 0), 1],
    ["a value of -2 bytes", record(1, 3, 0), 1],
    ["2^31-1 headers", record(1, 1, ...largest), 1],
    ["a negative number of headers", record(1, 1, 1), 1],
    ["a header whose key has 2^31-1 bytes", record(1, 1, 2, ...largest, 1), 1],
    ["a header without a key", record(1, 1, 2, 1, 1), 1],
    ["a header whose value has 2^31-1 bytes", record(1, 1, 2, 0, ...largest), 1],
    ["a header's value of -2 bytes", record(1, 1, 2, 0, 3), 1],
    ["a header's value a byte longer than the record", record(1, 1, 2, 0, 2), 1],
    ["no bytes at all", Buffer.alloc(0), 2 ** 31 - 1],
  ])("%s: is refused, and takes no memory", async (_, body, recordsCount) => {
    for (const codec of compressionCodecs) {
      const bytes = batchAround(compressRecords(codec, body), codec, recordsCount);
      const before = process.memoryUsage();
      expect(admit(bytes).error, codec).toBe("INVALID_RECORD");
      expect((await admitSlowly(bytes)).admission.error, codec).toBe("INVALID_RECORD");
      expect(() => recordsOf(bytes), codec).toThrow();
      const after = process.memoryUsage();
      expect(after.rss - before.rss + after.arrayBuffers - before.arrayBuffers).toBeLessThan(32 * 1024 * 1024);
    }
  });

  test("a record has at most 65,536 headers", () => {
    const headers = (count: number) => Array.from({ length: count }, () => ({ key: "", value: null }));
    const batchWith = (count: number) =>
      encodeBatch([{ key: null, value: null, timestampMs: 1, headers: headers(count) }], { codec: "zstd", compress: compressRecords });
    expect(admit(batchWith(recordHeadersMax)).error).toBeNull();
    expect(recordsOf(batchWith(recordHeadersMax))[0]?.headers).toHaveLength(65_536);
    expect(admit(batchWith(recordHeadersMax + 1))).toMatchObject({
      error: "INVALID_RECORD",
      message: expect.stringContaining("65537 headers"),
    });
    expect(() => recordsOf(batchWith(recordHeadersMax + 1))).toThrow(/65537 headers/);
  });
});
