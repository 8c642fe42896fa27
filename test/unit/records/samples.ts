import fc from "fast-check";
import type { RecordToEncode } from "../../../protocol/records/record.ts";

/** Records as a model: what goes in must come out. */
export const aRecord: fc.Arbitrary<RecordToEncode> = fc.record({
  key: fc.option(
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    { nil: null },
  ),
  value: fc.option(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    { nil: null },
  ),
  headers: fc.array(
    fc.record({
      key: fc.string({ maxLength: 12, unit: "grapheme" }),
      value: fc.option(
        fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
        { nil: null },
      ),
    }),
    { maxLength: 3 },
  ),
  timestampMs: fc.oneof(fc.integer({ min: 0, max: 2_000_000_000_000 }), fc.constant(2 ** 52 - 2), fc.constant(0)),
});

export const someRecords = fc.array(aRecord, { minLength: 1, maxLength: 20 });

/** A small batch's records with keys, values, headers and nulls. */
export const threeRecords: readonly RecordToEncode[] = [
  { key: Buffer.from("k1"), value: Buffer.from("first value"), headers: [], timestampMs: 1_700_000_000_000 },
  { key: null, value: Buffer.from("second"), headers: [{ key: "trace", value: Buffer.from("abc") }], timestampMs: 1_700_000_000_005 },
  { key: Buffer.from("k3"), value: null, headers: [{ key: "none", value: null }], timestampMs: 1_699_999_999_990 },
];
