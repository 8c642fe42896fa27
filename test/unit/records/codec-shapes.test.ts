import { describe, expect, test } from "vitest";
import { type AdmissionRules, admitBatch } from "../../../protocol/records/admit-batch.ts";
import { compressionCodecs } from "../../../protocol/records/batch-header.ts";
import { compressRecords, decompressRecords, decompressRecordsAside } from "../../../protocol/records/compression.ts";
import { decodeBatch } from "../../../protocol/records/decode-batch.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import { batchOfShape, type CodecShape, codecShapes, plain, shapeRecords } from "./shapes/codec-shapes.ts";

const keepsAll: AdmissionRules = {
  keysRequired: false,
  timestamps: null,
  codec: "producer",
  level: undefined,
  batchBytesMax: 2 ** 20,
  plainBytesMax: 2 ** 20,
};

function read(bytes: Buffer): string[] {
  return [...decodeBatch(bytes, 0, { decompress: decompressRecords })].map(({ key, value }) => `${key} ${value}`);
}

function reads(attempt: () => unknown): "reads" | "refuses" {
  try {
    attempt();
    return "reads";
  } catch {
    return "refuses";
  }
}

const expectedOf = ({ kafka, refusedBecause }: CodecShape) => (refusedBecause === undefined ? kafka : "refuses");

// What Kafka's classes make of each shape is checked against themselves in test/conformance/optional/codec-shapes.test.ts.
describe.each(compressionCodecs)("%s: what Kafka's Java client reads is taken and read, and nothing else", (codec) => {
  const shapes = codecShapes.filter((shape) => shape.codec === codec);

  test.each(shapes.map((shape) => [shape.name, shape] as const))("%s", async (_, shape) => {
    const expected = expectedOf(shape);
    const bytes = batchOfShape(shape);
    expect(reads(() => expect(read(bytes)).toEqual(shapeRecords.map(({ key, value }) => `${key} ${value}`)))).toBe(expected);
    const aside = await decompressRecordsAside(codec, shape.packed, 2 ** 20).catch(() => null);
    expect(aside?.equals(plain) ?? false).toBe(expected === "reads");

    for (const stored of compressionCodecs) {
      const admission = admitBatch(parsedBatch(bytes), { ...keepsAll, codec: stored }, { unpackedBytesLeft: 2 ** 20 });
      expect(admission?.error, `stored with ${stored}`).toBe(expected === "reads" ? null : "INVALID_RECORD");
      if (admission?.error === null) expect(read(admission.batch.bytes)).toHaveLength(shapeRecords.length);
    }
  });

  test("pieces are many only where they are cheap", () => {
    if (codec === "none" || codec === "lz4") return; // lz4 has one piece, its frame
    const [few, many] = codec === "snappy" ? [8192, 8193] : [1024, 1025];
    const piece = compressRecords(codec, Buffer.of(7)).subarray(codec === "snappy" ? 16 : 0);
    const header = compressRecords("snappy", Buffer.alloc(0));
    const packed = (count: number) =>
      Buffer.concat([...(codec === "snappy" ? [header] : []), ...Array.from({ length: count }, () => piece)]);
    expect(decompressRecords(codec, packed(few), 2 ** 20)).toHaveLength(few);
    expect(() => decompressRecords(codec, packed(many), 2 ** 20)).toThrow(/pieces/);
  });
});
