import { expect, test } from "vitest";
import { decodeBatch } from "../../../protocol/records/decode-batch.ts";
import { BatchBuilder, recordBytesAtMost } from "../../../protocol/records/encode-batch.ts";

/** Zigzag-coded, a number takes another byte from each of these on. */
const edges = [2 ** 6, 2 ** 13, 2 ** 20];

test("lengths, counts and times read as written where their numbers take another byte", () => {
  for (const edge of edges) {
    for (const length of [edge - 1, edge]) {
      const value = Buffer.alloc(length, "v");
      const records = [0, 1, -1].map((sign) => ({ key: Buffer.from("k"), value, headers: [], timestampMs: 2 ** 40 + sign * length }));
      const builder = new BatchBuilder(Buffer.alloc(61));
      for (const record of records) builder.append(record);
      expect(builder.sizeInBytes).toBeLessThanOrEqual(61 + records.length * recordBytesAtMost(records[0] as (typeof records)[0]));
      const read = [...decodeBatch(builder.build())];
      expect(read.map(({ timestampMs }) => timestampMs)).toEqual(records.map(({ timestampMs }) => timestampMs));
      expect(read.every((record) => record.key?.toString() === "k" && record.value?.equals(value))).toBe(true);
    }
  }
});

test("offsets in a batch of many records read as written", () => {
  const builder = new BatchBuilder();
  const count = 2 ** 13 + 2;
  for (let i = 0; i < count; i++) builder.append({ key: null, value: null, timestampMs: 7 });
  const offsets = [...decodeBatch(builder.build({ baseOffset: 100 }))].map(({ offset }) => offset);
  expect(offsets).toEqual(Array.from({ length: count }, (_, i) => 100 + i));
});
