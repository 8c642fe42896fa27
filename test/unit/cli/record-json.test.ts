import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeValue } from "../../../cli/consume/decode-values.ts";
import { type RecordToFormat, recordAsJson } from "../../../cli/output/record-format.ts";
import { recordOfJson } from "../../../cli/produce/record-of-json.ts";
import { msgpackSerde } from "../../../client/index.ts";

const bytes = fc.oneof(
  fc.string({ unit: "binary" }).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 20 }).map((each) => Buffer.from(each)),
);
const orNull = fc.option(bytes);
const records: fc.Arbitrary<RecordToFormat> = fc.record({
  topic: fc.constant("t"),
  partition: fc.nat(5),
  offset: fc.nat(),
  timestampMs: fc.nat(),
  key: orNull,
  value: orNull,
  headers: fc.array(fc.record({ key: fc.string(), value: orNull }), { maxLength: 4 }),
});

function taken(line: string, keepsPartition = false) {
  return recordOfJson(Buffer.from(line), { keepsPartition });
}

test("what is printed as JSON is taken as the same record, whatever its bytes", () => {
  fc.assert(
    fc.property(records, ({ topic, offset, ...record }) => {
      expect(taken(JSON.stringify(recordAsJson({ topic, offset, ...record })), true)).toEqual(record);
    }),
  );
});

test("a decoded value is encoded again as it was, numbers of any size with it", () => {
  const plain: RecordToFormat = { topic: "t", partition: 0, offset: 0, timestampMs: 0, key: null, value: null, headers: [] };
  const json = Buffer.from('{"a":[1.50,12345678901234567890,"x"],"b":"text"}');
  expect(taken(JSON.stringify(recordAsJson(decodeValue({ ...plain, value: json }, "json")))).value).toEqual(json);
  const text = Buffer.from('"only text"');
  expect(taken(JSON.stringify(recordAsJson(decodeValue({ ...plain, value: text }, "json")))).value).toEqual(text);
  const packed = Buffer.from(msgpackSerde<unknown>().serialize({ a: [1.5, "x", null], b: true }));
  expect(taken(JSON.stringify(recordAsJson(decodeValue({ ...plain, value: packed }, "msgpack")))).value?.toString("hex")).toBe(
    packed.toString("hex"),
  );
  const neither = Buffer.from([0xff, 0x00, 0xc1]);
  for (const format of ["json", "msgpack"] as const) expect(decodeValue({ ...plain, value: neither }, format).decoded).toBeUndefined();
});

test("what is written by hand may be short", () => {
  expect(taken('{"value":{"n":1},"headers":{"a":"b"}}')).toEqual({
    key: null,
    value: Buffer.from('{"n":1}'),
    headers: [{ key: "a", value: Buffer.from("b") }],
  });
  expect(taken('{"value":"x","timestampMs":-1,"partition":7}')).toEqual({ key: null, value: Buffer.from("x"), headers: [] });
});

test.each([
  ["[1]", "is JSON, but not an object"],
  ["{", "is not JSON"],
  ['{"key":"a"}', 'has no "value"'],
  ['{"value":"a","key":5}', "has a key that is not text"],
  ['{"value":{"base64":"%"}}', "has a base64 with other characters"],
  ['{"value":"a","headers":5}', 'has "headers" that are no list'],
  ['{"value":"a","headers":["x"]}', 'has a header that is not {"key", "value"}'],
  ['{"value":"a","timestampMs":"now"}', 'has a "timestampMs"'],
  ['{"value":"a","valueFormat":"xml"}', 'has a "valueFormat" other'],
])("%s is no record", (line, reason) => {
  expect(() => taken(line)).toThrow(reason);
  expect(() => taken('{"value":"a"}', true)).toThrow('has no "partition" to keep');
});
